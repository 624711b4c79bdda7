"""The words of a comparison of runs: what its numbers stand on."""

# ruff: noqa: E501 - a sentence stays on few lines, so that a search finds it; Chinese counts double

from __future__ import annotations

COMPARISON: dict[str, tuple[str, str]] = {
    "compare.ends": (
        "Floor: real held-out data scored the same way. Copycat: training data handed back. Bold: best of the runs.",
        "真实参照：以同样方式评分的真实留出数据。照抄：直接交回训练数据。粗体：各运行中最好的。",
    ),
    "compare.one_measure": (
        "Note: distances are measured on {features}; with those on other features they do not compare.",
        "注：距离用 {features} 特征测得；与用其他特征测得的不可比较。",
    ),
    "compare.several_measures": (
        "Note: the runs are measured on different features, so their distances do not compare ({each}); make their reports anew.",
        "注：各运行用不同的特征测得，其距离不可比较（{each}）；请重新生成报告。",
    ),
    "compare.several_sizes": (
        "Note: distances of the runs are of different numbers of examples, n; they grow as n falls.",
        "注：各运行的距离所用样本数 n 不同；n 越小，距离越大。",
    ),
    "compare.weak_features": (
        "Note: these features are untrained and see less than features that have learned: differences may be hidden.",
        "注：这些特征未经训练，看到的比学习得到的特征少：差别可能看不出来。",
    ),
    "compare.floor_of_costs": (
        "Note: the floor of nats, perplexity and bits per byte is what held-out texts cost an n-gram model.",
        "注：每字符奈特、困惑度与每字节比特的真实参照，是留出文本在 n-gram 模型下的代价。",
    ),
    "compare.several_hold_outs": (
        "Note: the runs do not share one hold-out; floors differ.",
        "注：各运行的留出数据不同；真实参照也不同。",
    ),
    "compare.several_deltas": (
        "Note: epsilon is at another delta, or for another unit.",
        "注：各 epsilon 对应的 delta 或保护单位不同。",
    ),
    "compare.guarantees_add_up": (
        "Note: guarantees of runs on the same data add up.",
        "注：在同一数据上的多次运行，其隐私保证要相加。",
    ),
    "compare.outside_of_guarantees": (
        "Note: scores look at real data outside of any guarantee, and so does whoever chooses a run by them.",
        "注：评分在隐私保证之外查看真实数据；依评分选择运行也是如此。",
    ),
    "compare.left_out": ("Note: {name} is left out: {error}", "注：未列入 {name}：{error}"),
}
