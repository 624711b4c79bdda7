// Language, theme, and finding a column. Without scripts the page shows everything in the language it was made for.
(function () {
  var root = document.documentElement, memory = null;
  try { memory = window.localStorage; } catch (error) { memory = null; }
  function recall(key) { try { return memory && memory.getItem(key); } catch (error) { return null; } }
  function keep(key, value) { try { if (memory) memory.setItem(key, value); } catch (error) { /* a page may not remember */ } }
  function speak(language) { root.dataset.language = language; root.lang = language === "zh" ? "zh-CN" : "en"; }
  var asked = /[?&]lang=(en|zh)/.exec(window.location.search);
  var wanted = (asked && asked[1]) || recall("genwright-language");
  if (!wanted && "follow" in root.dataset) wanted = /^zh/i.test(navigator.language || "") ? "zh" : "en";
  if (wanted) speak(wanted);
  var theme = /[?&]theme=(light|dark)/.exec(window.location.search);
  theme = (theme && theme[1]) || recall("genwright-theme");
  if (theme) root.dataset.theme = theme;
  document.querySelectorAll(".buttons, .controls").forEach(function (part) { part.hidden = false; });
  document.getElementById("language").addEventListener("click", function () {
    var next = root.dataset.language === "zh" ? "en" : "zh";
    speak(next); keep("genwright-language", next);
  });
  document.getElementById("theme").addEventListener("click", function () {
    var dark = root.dataset.theme ? root.dataset.theme === "dark" : window.matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark"; keep("genwright-theme", root.dataset.theme);
  });
  var cards = document.getElementById("cards");
  if (!cards) return;
  document.getElementById("filter").addEventListener("input", function (event) {
    var word = event.target.value.trim().toLowerCase();
    Array.prototype.forEach.call(cards.children, function (card) { card.hidden = card.dataset.name.indexOf(word) < 0; });
  });
  document.getElementById("order").addEventListener("click", function (event) {
    var worst = event.currentTarget.getAttribute("aria-pressed") !== "true";
    event.currentTarget.setAttribute("aria-pressed", String(worst));
    Array.prototype.slice.call(cards.children).sort(function (a, b) {
      return worst ? b.dataset.error - a.dataset.error : a.dataset.place - b.dataset.place;
    }).forEach(function (card) { cards.appendChild(card); });
  });
})();
