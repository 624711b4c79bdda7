"""The report's words for notes: why a number is missing, or was measured on a part."""

# ruff: noqa: E501 - a sentence stays on few lines, so that a search finds it; Chinese counts double

from __future__ import annotations

NOTES: dict[str, tuple[str, str]] = {
    "no_holdout": ("No hold-out rows were given, so what needs them is missing.", "没有留出数据，因此缺少依赖它的结果。"),
    "none_missing": ("No column has missing values, in any table.", "三张表均无缺失值。"),
    "no_spikes": ("No number column has a value that more than 1 % of rows share.", "没有任何数值列有超过 1 % 的行取同一个值。"),
    "no_columns": ("There is no column of numbers or categories to compare.", "没有可比较的数值列或类别列。"),
    "no_pairs": ("There are fewer than two columns to compare.", "可比较的列不足两列。"),
    "some_rows": ("Measured on {rows} random rows of each table.", "每张表随机取 {rows} 行测得。"),
    "some_pairs": ("Measured on {pairs} random pairs of {of}.", "在 {of} 对列中随机取 {pairs} 对测得。"),
    "some_triples": ("Measured on {triples} random triples of {of}.", "在 {of} 个三列组合中随机取 {triples} 个测得。"),
    "no_triples": ("There are fewer than three columns to compare.", "可比较的列不足三列。"),
    "constants_broken": (
        "{count} columns that are constant in the training table are not so in the synthetic one: {columns}.",
        "有 {count} 列在训练数据中是常数，在合成数据中却不是：{columns}。",
    ),
    "judge_rows": ("Judged on {rows} random rows of each table.", "每张表随机取 {rows} 行判别。"),
    "too_few_rows": (
        "A judge needs at least {rows} rows of each table; below that its guessing would look like success.",
        "判别器至少需要每张表 {rows} 行；再少时，猜测会被误认为成功。",
    ),
    "utility_rows": ("Fitted on {rows} random rows.", "随机取 {rows} 行训练。"),
    "utility_columns": (
        "{columns} of {of} columns were predicted, from {rows} rows each; floor and copycat are 1 by definition.",
        "在 {of} 列中预测了 {columns} 列，各用 {rows} 行；两个参照按定义为 1。",
    ),
    "target_silent": (
        "Too few rows with a known target (50 are needed), no other column, or a target that never varies.",
        "目标列已知的行太少（至少 50 行）、没有其他列，或目标列从不变化。",
    ),
    "importance_columns": (
        "Importances of {columns} of {of} columns, on {rows} hold-out rows.", "{of} 列中 {columns} 列的重要性，用 {rows} 行留出数据测得。",
    ),
    "importance_flat": (
        "There are fewer than {columns} columns to predict from, or none matters more than another.",
        "可用于预测的列不足 {columns} 列，或没有一列比其他列更重要。",
    ),
    "subgroup": (
        "Of {of} subgroups it is “{column} = {label}”: {train} training, {holdout} hold-out and {synthetic} synthetic rows.",
        "在 {of} 个群体中是“{column} = {label}”：训练 {train} 行，留出 {holdout} 行，合成 {synthetic} 行。",
    ),
    "no_subgroups": (
        "No label of a category column has at least {rows} hold-out rows.", "没有任何类别标签至少有 {rows} 行留出数据。",
    ),
    "some_group_columns": (
        "Subgroups by {columns} random columns of {of}.", "在 {of} 个类别列中随机取 {columns} 列划分群体。",
    ),
    "nothing_predictable": ("No column can be predicted from the others, even with real rows.", "即使用真实数据，也没有一列能由其他列预测。"),
    "distance_rows": ("Asked for {rows} random synthetic rows.", "随机取 {rows} 行合成数据。"),
    "distance_references": (
        "Compared with {rows} random training rows only: copies of other rows are not seen.",
        "只与随机的 {rows} 行训练数据比较：看不到对其他行的照抄。",
    ),
}  # fmt: skip
