"""The report's words for attacks: what each found, and why one may have found nothing."""

# ruff: noqa: E501 - a sentence stays on few lines, so that a search finds it; Chinese counts double

from __future__ import annotations

ATTACKS: dict[str, tuple[str, str]] = {
    "attack.caught": (
        "Membership attack on {targets} training and as many hold-out examples, with 1 % of false alarms: {value} % of the former are found "
        "({low} to {high} %; chance 1 %, floor {floor} %, copycat {copycat} %).",
        "对 {targets} 条训练数据和同样多的留出数据做成员推断攻击，误报率 1 % 时：找出 {value} % 的训练数据（{low} 至 {high} %；瞎猜为 1 %，"
        "真实参照 {floor} %，照抄参照 {copycat} %）。",
    ),
    "attack.distance": (
        "By the distance to the closest synthetic example alone: AUC {value} ({low} to {high}; floor {floor}, copycat {copycat}).",
        "只凭到最近合成数据的距离：AUC {value}（{low} 至 {high}；真实参照 {floor}，照抄参照 {copycat}）。",
    ),
    "attack.caught_by_distance": (
        "By distance alone, with 1 % of false alarms: {value} % of training examples found ({low} to {high} %; floor {floor} %, copycat {copycat} %).",
        "只凭距离，误报率 1 % 时：找出 {value} % 的训练数据（{low} 至 {high} %；真实参照 {floor} %，照抄参照 {copycat} %）。",
    ),
    "attack.shadows": (
        "By {shadows} shadow models, trained as this one on random halves of the rows: AUC {value} on {targets} training and as many hold-out "
        "rows ({low} to {high}; floor {floor}, copycat {copycat}).",
        "凭 {shadows} 个影子模型（同样训练，各用随机一半的行）：对 {targets} 条训练行和同样多的留出行，AUC {value}（{low} 至 {high}；"
        "真实参照 {floor}，照抄参照 {copycat}）。",
    ),
    "attack.caught_by_shadows": (
        "By shadow models, with 1 % of false alarms: {value} % of training rows found ({low} to {high} %; floor {floor} %, copycat {copycat} %).",
        "凭影子模型，误报率 1 % 时：找出 {value} % 的训练行（{low} 至 {high} %；真实参照 {floor} %，照抄参照 {copycat} %）。",
    ),
    "attack.one_column": (
        "Singling out by a rare or extreme value of one column: risk {value} ({low} to {high}; floor {floor}, copycat {copycat}).",
        "凭单列的罕见值或极端值单独识别：风险 {value}（{low} 至 {high}；真实参照 {floor}，照抄参照 {copycat}）。",
    ),
    "attack.rare_values": ("Singling out by rare values of one column", "凭单列罕见值单独识别"),
    "attack.rates": (
        "{name}: of {attacks} attacks {attack} % succeed on training rows, {control} % on rows never seen, {naive} % by guessing.",
        "{name}：{attacks} 次攻击中，对训练行成功 {attack} %，对没见过的行成功 {control} %，瞎猜成功 {naive} %。",
    ),
    "attack.columns": (
        "Inferred better for training rows, of {of} columns (1 in 40 is so by chance): {columns}.",
        "在 {of} 列中，训练行的值更容易被推断的列（平均每 40 列有 1 列出于偶然）：{columns}。",
    ),
    "attack.no_columns": (
        "No column of {of} is inferred better for training rows, beyond chance.",
        "共 {of} 列，没有一列的训练行的值比偶然更容易被推断。",
    ),
    "note.attack_rows": (
        "Attacked with {rows} random rows of each table, at most: copies of other rows are not seen, nor in the copycat.",
        "每张表最多随机取 {rows} 行进行攻击：看不到对其他行的照抄，照抄参照也是如此。",
    ),
    "note.few_attacked": (
        "An attack needs at least {rows} training, hold-out and synthetic examples each.",
        "攻击至少需要训练、留出、合成数据各 {rows} 条。",
    ),
    "note.few_conditions": (
        "Fewer than {least} descriptions of a single synthetic row were found.", "只符合一条合成行的描述不足 {least} 个。",
    ),
    "note.one_column": ("The attack needs two columns.", "该攻击至少需要两列。"),
    "note.nothing_left": (
        "The attack succeeds on every row, trained on or not: nothing is left to find out.",
        "无论是否参与训练，攻击对每一行都成功：没有更多可泄露的。",
    ),
    "note.attack_useless": (
        "The attack does no better than guessing, so its failure says little.",
        "该攻击不比瞎猜好，因此它的失败说明不了什么。",
    ),
}  # fmt: skip
