"""Derives the golden numbers of test_text_metrics.py with reference implementations, which CI does not install.

    pip install sacrebleu==2.6.0 rouge-score==0.1.2
    python tests/parity/derive_text_metrics.py

sacrebleu 2.6.0 (Apache-2.0): BLEU with the tokens `13a` and `zh`, chrF2, and BLEU of a sentence against several references.
rouge-score 0.1.2 (Apache-2.0): ROUGE-1, 2, L without stemming. The texts are made here, so that the test can make them too.
"""

from __future__ import annotations

import json
import random

ENGLISH = (
    "The cat sat on the mat, and the dog (who's old) slept for 3.5 hours.",
    "It costs $1,234.50 -- or 20% less -- if you're early & quick; isn't it?",
    'She said: "Well-known facts [see 2-4] aren\'t always true..."',
    "A line\nwith a break-\ning hyphen, &quot;entities&quot; &amp; more &lt;b&gt;.",
    "No. 5, 3.14, .5 and 7. or e.g. a/b, x_y, ~z^2 = {1; 2}!",
    "naïve café über 5€ — “curly” ’quotes’ … été",
)
CHINESE = (
    "明月几时有？把酒问青天。",
    "不知天上宫阙，今夕是何年。",
    "我有3.5个苹果，价格是￥12,000元（约20%）。",
    "Hello世界！2-3个 ABC公司、《红楼梦》……",
)


def pairs(texts: tuple[str, ...], n: int, seed: int) -> tuple[list[str], list[str]]:
    """(made, references): cuts of the texts, and the same with words dropped, doubled and exchanged."""
    generator = random.Random(seed)
    made, references = [], []
    for _ in range(n):
        wanted = " ".join(generator.choice(texts) for _ in range(generator.randint(1, 3)))
        step = wanted.split(" ") if " " in wanted else list(wanted)
        own = [part for part in step if generator.random() > 0.2]
        for _ in range(generator.randint(0, 4)):
            own.insert(generator.randrange(len(own) + 1), generator.choice(step))
        made.append((" " if " " in wanted else "").join(own))
        references.append(wanted)
    return made, references


def short() -> tuple[list[str], list[str]]:
    """Texts with fewer words than BLEU has orders, empty ones, and none that fits."""
    return ["a b", "", "x", "a b c d e", "the same words"], ["a c", "b", "", "a b c d f", "the same words"]


def cases() -> dict[str, tuple[list[str], list[str]]]:
    """Name -> (made, references)."""
    return {
        "english": pairs(ENGLISH, 40, 1),
        "chinese": pairs(CHINESE, 40, 2),
        "mixed": pairs(ENGLISH + CHINESE, 40, 3),
        "short": short(),
        "apart": (["a b c"], ["x y z"]),
    }


def main() -> None:
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu.metrics import BLEU, CHRF

    scorer, names = RougeScorer(["rouge1", "rouge2", "rougeL"]), ("rouge1", "rouge2", "rougeL")
    found: dict[str, dict[str, object]] = {}
    for name, (made, references) in cases().items():
        one = found[name] = {"chrf": CHRF().corpus_score(made, [references]).score}
        for tokens in ("13a", "zh"):
            one[f"bleu_{tokens}"] = BLEU(tokenize=tokens).corpus_score(made, [references]).score
            sentence = BLEU(tokenize=tokens, effective_order=True)
            one[f"self_bleu_{tokens}"] = (
                sum(sentence.sentence_score(text, made[:k] + made[k + 1 :]).score for k, text in enumerate(made))
                / len(made)
                if len(made) > 1
                else None
            )
        scores = [scorer.score(wanted, text) for text, wanted in zip(made, references, strict=True)]
        one |= {f"rouge_{key[5:].lower()}": sum(s[key].fmeasure for s in scores) / len(scores) for key in names}
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
