"""Every sentence of the report, in English and Chinese; the page carries both and a button that switches.

`TEXT[key]` is (English, Chinese); `say(key, **values)` fills both. A test walks over all keys. Read `verdict.py` next: it
chooses among these sentences.
"""

# ruff: noqa: E501 - a sentence stays on few lines, so that a search finds it; Chinese counts double

from __future__ import annotations

from typing import NamedTuple

from genwright.report.words_attacks import ATTACKS
from genwright.report.words_comparison import COMPARISON
from genwright.report.words_images import IMAGES
from genwright.report.words_metrics import METRICS, VERDICTS
from genwright.report.words_notes import NOTES
from genwright.report.words_texts import TEXTS

LANGUAGES = ("en", "zh")


class Words(NamedTuple):
    """The same sentence twice."""

    en: str
    zh: str


def say(key: str, **values: object) -> Words:
    """The sentence `key` with its places filled, in both languages."""
    english, chinese = TEXT[key]
    return Words(english.format(**values), chinese.format(**values))


def say_of(kind: str | None, key: str, **values: object) -> Words:
    """`say`, in the words for what was scored ("images", "texts", None: a table) where it has its own."""
    own = f"{'pictures' if kind == 'images' else kind}.{key}"
    return say(own if own in TEXT else key, **values)


def join(*sentences: Words) -> Words:
    """Several sentences as one paragraph."""
    return Words(" ".join(s.en for s in sentences), "".join(s.zh for s in sentences))


PAGE: dict[str, tuple[str, str]] = {
    "title": ("Synthetic data report", "合成数据报告"),
    "language_button": ("中文", "English"),
    "theme_button": ("Light / dark", "浅色 / 深色"),
    "skip": ("Skip to the verdict", "跳到结论"),
    "verdict": ("Verdict", "结论"),
    "summary": ("All numbers", "全部指标"),
    "columns": ("Columns", "各列"),
    "pairs": ("Pairs of columns", "列与列的关系"),
    "judges": ("Judges", "判别器"),
    "utility": ("Utility", "可用性"),
    "subgroups": ("Subgroups", "群体"),
    "privacy": ("Privacy", "隐私"),
    "made": ("How this was made", "如何得到"),
    "limits": ("What this report cannot tell", "本报告不能说明什么"),
    "sizes": (
        "{synthetic} synthetic rows, compared with {train} training rows and {holdout} hold-out rows; {columns} columns.",
        "{synthetic} 行合成数据，与 {train} 行训练数据和 {holdout} 行留出数据比较；共 {columns} 列。",
    ),
    "effort_quick": (
        "Quick report: where a table is large, some numbers use a seeded random part of the rows. Each says so.",
        "快速报告：表较大时，部分指标只用固定种子随机抽取的行，并逐项注明。",
    ),
    "effort_full": (
        "Full report: every row is used, except where a note beside a number says otherwise.",
        "完整报告：除个别指标旁另有说明外，使用全部行。",
    ),
    "how_to_read": (
        "Each number stands between two others. The floor is what real rows score that the model never saw (the hold-out), "
        "put in the place of the synthetic rows: no honest generator can do much better. The copycat is what the training "
        "rows themselves score when handed back as if synthetic: perfect on fidelity, and it leaks everything.",
        "每个数字都与两个参照并列。“真实参照”是把模型没有见过的真实行（留出数据）当作合成数据来打分：诚实的生成模型很难明显"
        "好于它。“照抄参照”是把训练数据原样交回、当作合成数据来打分：逼真度满分，但泄露一切。",
    ),
    "metric": ("Metric", "指标"),
    "value": ("Synthetic", "合成"),
    "floor": ("Floor", "真实参照"),
    "copycat": ("Copycat", "照抄参照"),
    "scale": ("Where it lies", "所处位置"),
    "meaning": ("What it means", "含义"),
    "interval": ("95 % interval {low} to {high}.", "95 % 区间 {low} 至 {high}。"),
    "scale_legend": (
        "● synthetic (bar: 95 % interval)  ◇ floor  ✕ copycat  ┊ best possible",
        "● 合成（横线：95 % 区间）  ◇ 真实参照  ✕ 照抄参照  ┊ 理论最佳",
    ),
    "good": ("good", "良好"),
    "fair": ("fair", "尚可"),
    "poor": ("poor", "较差"),
    "unknown": ("not measured", "未测"),
    "ungraded": ("not graded", "不评级"),
    "train": ("Training", "训练"),
    "holdout": ("Hold-out", "留出"),
    "synthetic": ("Synthetic", "合成"),
    "numbers_as_text": ("Numbers", "数字"),
    "columns_intro": (
        "Shape error is the largest difference between the cumulative shares of two tables (numbers) or the share of rows that "
        "would have to change (categories). Outer bins are open; bins and labels never show a single row.",
        "形状误差：数值列为两表累计占比的最大差距；类别列为需要改动的行的占比。最外侧的区间是开放的；区间和标签都不会显示单独一行。",
    ),
    "columns_cut": (
        "The {shown} columns with the largest shape error are drawn; all {total} are in the table below and in report.json.",
        "图中为形状误差最大的 {shown} 列；全部 {total} 列见下表和 report.json。",
    ),
    "table_cut": ("The first {shown} are listed; report.json has all {total}.", "此处列出前 {shown} 列，report.json 中有全部 {total} 列。"),
    "all_columns": ("All columns in numbers", "全部列的数字"),
    "filter": ("Find a column", "查找列"),
    "worst_first": ("Worst first", "最差的在前"),
    "column": ("Column", "列"),
    "kind": ("Kind", "类型"),
    "shape_error": ("Shape error", "形状误差"),
    "spike_error": ("Spike error", "尖峰误差"),
    "missing_rate": ("Missing", "缺失"),
    "mean": ("Mean", "均值"),
    "deviation": ("Deviation", "标准差"),
    "skill": ("Skill", "可预测度"),
    "bin": ("Value", "取值"),
    "not_drawn": (
        "Texts and identifiers have no distribution to compare; they are checked for copied values.",
        "文本和标识符没有可比的分布，只检查是否照抄。",
    ),
    "empty_drawn": ("One value only, or none: nothing to draw.", "只有一个值或没有值，无图可画。"),
    "legend_train": ("training rows", "训练数据"),
    "legend_holdout": ("hold-out rows (floor)", "留出数据（真实参照）"),
    "legend_synthetic": ("synthetic rows", "合成数据"),
    "pairs_intro": (
        "How strongly two columns go together: Pearson's r for two numbers (a bar across the square: negative), Cramér's V "
        "otherwise. The larger the square, the stronger. The two maps above should look the same; the two below, "
        "one error per pair on the same scale, should look alike, with small squares.",
        "两列相关的强弱：两个数值列用皮尔逊相关系数（方块内有横条表示负相关），其余用克拉默 V。方块越大关系越强。上面两图应当一致；"
        "下面两图是每对列的误差（同一标尺），应当相近，方块都小。",
    ),
    "relation_train": ("Relations in the training rows", "训练数据中的关系"),
    "relation_synthetic": ("Relations in the synthetic rows", "合成数据中的关系"),
    "error_synthetic": ("Error of the synthetic rows", "合成数据的误差"),
    "error_floor": ("Error of the hold-out rows (floor)", "留出数据的误差（真实参照）"),
    "scale_relation": ("largest square: 1", "最大方块：1"),
    "scale_error": ("largest square: {top} %", "最大方块：{top} %"),
    "pairs_cut": (
        "The {shown} columns with the largest mean error are drawn.", "图中为平均误差最大的 {shown} 列。",
    ),
    "worst_pairs": ("The worst pairs", "误差最大的列对"),
    "every_pair": ("Every pair drawn above, as numbers", "上图中每对列的数字"),
    "pair": ("Pair", "列对"),
    "error": ("Error", "误差"),
    "no_pairs_text": ("There are fewer than two columns to compare.", "可比较的列不足两列。"),
    "judges_intro": (
        "Half training rows, half synthetic rows, shuffled: a judge learns on two thirds which is which and is asked about the "
        "last third, three times. At .5 it guesses. Clearly below .5 it is misled by rows that occur on both sides: a sign of copies.",
        "把等量的训练行与合成行混在一起：判别器先在三分之二的行上学习区分，再判断剩下的三分之一，共三轮。0.5 表示全凭猜。明显低于 0.5 "
        "说明两边有相同的行把它带偏：这是照抄的迹象。",
    ),
    "utility_intro_target": (
        "A gradient boosting model learns to predict “{target}” from synthetic rows and is tested on real hold-out rows. Beside it, "
        "the same model with as many training rows.",
        "用合成数据训练一个梯度提升模型来预测“{target}”，再在真实的留出数据上测试；旁边是用同样多的训练数据得到的结果。",
    ),
    "utility_intro_every": (
        "No target was named, so each column in turn is predicted from all others by a model fitted on synthetic rows and tested on "
        "hold-out rows. Skill is 2 AUC - 1 or R², from 0 (guessing) to 1.",
        "没有指定目标列，因此轮流用其余各列预测每一列：模型用合成数据训练，在留出数据上测试。可预测度为 2 AUC - 1 或 R²，从 0（猜）到 1。",
    ),
    "utility_copy": (
        "A copy of the training table would score exactly like real data here, so read this together with the privacy part.",
        "训练数据的副本在这里会与真实数据得分完全相同，所以请与隐私部分一起阅读。",
    ),
    "importance_intro": (
        "What a model loses when one column is shuffled (AUC or R²), fitted on synthetic rows and, as the floor, on training rows. Columns that "
        "tell the same may stand in for each other.",
        "打乱某一列后模型损失多少（AUC 或 R²）：用合成数据训练的模型，以及作为真实参照、用训练数据训练的模型。含义相同的列可以互相替代。",
    ),
    "importance": ("Importance", "重要性"),
    "no_importance": (
        "No target was named, so it was not measured which columns matter to a model (--target COLUMN).",
        "没有指定目标列，因此没有测量哪些列对模型重要（--target COLUMN）。",
    ),
    "subgroups_intro": (
        "Who is served worse? The rows with each label of each category column form a subgroup; {measured} have at least {least} hold-out rows. Listed are those whose "
        "shape error exceeds its floor most. The worst of many exceeds it a little by chance; the fewer the rows, the more.",
        "哪些群体再现得更差？每个类别列的每个标签各成一个群体；其中 {measured} 个至少有 {least} 行留出数据。下面列出形状误差超出真实参照最多的群体。"
        "群体多时，最差的一个会因偶然略有超出；行数越少，超出越多。",
    ),
    "no_subgroups_text": (
        "No label has at least {least} hold-out rows, so no subgroup can be judged.", "没有任何标签至少有 {least} 行留出数据，无法评价任何群体。",
    ),
    "subgroup": ("Subgroup", "群体"),
    "rows": ("Rows", "行数"),
    "privacy_intro": (
        "If the model has learned the population and not the people, a synthetic row lies as often nearest to a real row it never saw "
        "as to one it was trained on. Distance: differences of numbers in units of the training range, plus 1 for each label that differs.",
        "如果模型学到的是总体而不是个人，合成行离“没见过的真实行”最近与离“训练行”最近的机会应当相等。距离：数值之差以训练数据的取值范围为单位，"
        "每有一个类别不同再加 1。",
    ),
    "equal_size": (
        "With the training rows cut down to as many as the hold-out has, the plain share is {share}.",
        "若把训练数据随机减到与留出数据一样多，直接得到的占比为 {share}。",
    ),
    "of_holdout": ("Exact copies of hold-out rows: {share} %.", "与留出行完全相同的合成行：{share} %。"),
    "limits_1": (
        "It is not a proof of privacy. Distances show copying; only a model trained with a privacy budget (epsilon, delta) can promise "
        "what no attack will find.",
        "它不是隐私的证明。距离只能显示照抄；只有带隐私预算（epsilon、delta）训练的模型才能保证任何攻击都找不到。",
    ),
    "limits_2": (
        "This report reads the real rows, so it stands outside any such guarantee. It shows averages and counts, no row; treat it as you "
        "would a statistic of your table.",
        "本报告读取了真实数据，因此不在任何此类保证之内。它只含平均值和计数，不含任何一行；请像对待数据表的统计结果那样对待它。",
    ),
    "limits_3": (
        "Shape, trend and three-way error look at one, two and three columns at once. What takes more columns to see is left to the judges, "
        "and a judge that guesses has found nothing; that is not the same as there being nothing.",
        "形状、趋势和三列误差只看一列、两列或三列。需要更多列才看得出的问题留给判别器；判别器靠猜，只说明它没有发现，不等于没有。",
    ),
    "limits_4": (
        "Rows are taken as independent. If one person has several rows, or rows follow each other in time, privacy is judged too kindly.",
        "各行被视为相互独立。若一个人有多行，或行之间有时间先后，则隐私的评价会偏乐观。",
    ),
    "limits_5": (
        "The floor is one sample: with few hold-out rows it is noisy, and larger than it would be with as many rows as the synthetic table has.",
        "真实参照只是一次抽样：留出行较少时噪声较大，也会比用与合成表同样多的行时更大。",
    ),
    "limits_no_holdout": (
        "No hold-out rows were given. Without them there is no floor, no utility, and no way to tell learning from copying. Keep some rows back "
        "(--holdout 0.1) or give a test file (--test FILE) and run the report again.",
        "没有留出数据。没有它就没有真实参照、没有可用性，也无法区分学习与照抄。请留出一部分行（--holdout 0.1）或给出测试文件（--test FILE），再运行一次报告。",
    ),
    "outside_guarantee": (
        "This model was trained with a privacy budget: epsilon {epsilon}. This report touches real rows and stands outside that guarantee.",
        "该模型带隐私预算训练：epsilon = {epsilon}。本报告接触真实数据，不在该保证之内。",
    ),
    "definitions": ("Exact definitions", "精确定义"),
    "footer": ("Made by Genwright. One file, no network.", "由 Genwright 生成。单一文件，不联网。"),
}  # fmt: skip

KINDS: dict[str, tuple[str, str]] = {
    "kind.integer": ("integer", "整数"),
    "kind.decimal": ("decimal", "小数"),
    "kind.boolean": ("boolean", "布尔"),
    "kind.category": ("category", "类别"),
    "kind.date": ("date", "日期"),
    "kind.datetime": ("datetime", "日期时间"),
    "kind.text": ("text", "文本"),
    "kind.identifier": ("identifier", "标识符"),
    "kind.constant": ("constant", "常数"),
    "kind.missing": ("all missing", "全部缺失"),
}

FACTS: dict[str, tuple[str, str]] = {
    "fact.name": ("data", "数据"),
    "fact.model": ("model", "模型"),
    "fact.command": ("command", "命令"),
    "fact.data": ("Data", "数据"),
    "fact.notes": ("What was guessed, mended or left out of the data", "数据中经猜测、修补或略去之处"),
    "fact.outcome": ("Training", "训练"),
    "fact.settings": ("Settings", "设置"),
    "fact.seconds": ("Seconds", "秒"),
    "fact.memory_mb": ("Memory at its peak, MB", "内存峰值（MB）"),
    "fact.versions": ("Versions", "版本"),
    "fact.files": ("Files", "文件"),
    "fact.report": ("This report", "本报告"),
    "fact.rare": (
        "Words too rare to be drawn: how many of the rows have one; a column's shape error cannot fall below their share",
        "因过于罕见而不生成的取值：含有它们的行数；该列的形状误差不可能低于其比例",
    ),
    "fact.rules": ("Rules: share of rows that break each", "规则：违反各条规则的行所占比例"),
    "fact.epsilon": ("epsilon", "epsilon"),
    "fact.delta": ("delta", "delta"),
}

TEXT = {
    **PAGE,
    **{f"note.{key}": words for key, words in NOTES.items()},
    **METRICS,
    **ATTACKS,
    **COMPARISON,
    **VERDICTS,
    **IMAGES,
    **TEXTS,
    **KINDS,
    **FACTS,
}
