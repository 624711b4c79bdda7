"""The report's words for each metric: its name, what it means in one sentence, its exact definition; verdicts."""

# ruff: noqa: E501 - a sentence stays on few lines, so that a search finds it; Chinese counts double

from __future__ import annotations

METRICS: dict[str, tuple[str, str]] = {
    "shape.name": ("Shape error", "形状误差"),
    "shape.meaning": (
        "How far the distribution of a column is off, averaged over columns; 0 is best.",
        "单列分布偏离多少，对各列取平均；0 最好。",
    ),
    "shape.definition": (
        "Numbers: Kolmogorov-Smirnov distance. Categories: total variation. Missing values count, below all numbers or as a label.",
        "数值：KS 距离；类别：全变差距离。缺失值计入：小于一切数值，或作为一个类别。",
    ),
    "trend.name": ("Trend error", "趋势误差"),
    "trend.meaning": (
        "How far the relation of two columns is off, averaged over all pairs; 0 is best.",
        "两列之间的关系偏离多少，对所有列对取平均；0 最好。",
    ),
    "trend.definition": (
        "Two numbers: half the difference of Pearson's r. Otherwise: total variation of the joint table, numbers cut in 10 "
        "equal-width bins of the training range, missing values as a cell of their own.",
        "两个数值列：皮尔逊相关系数之差的一半。其余：联合频数表的全变差距离，数值按训练数据范围等宽分为 10 段，缺失单独成格。",
    ),
    "three_way.name": ("Three-way error", "三列误差"),
    "three_way.meaning": (
        "How far the joint distribution of three columns is off, averaged over triples of columns; 0 is best.",
        "三列的联合分布偏离多少，对各三列组合取平均；0 最好。",
    ),
    "three_way.definition": (
        "Total variation of the joint table of three columns, numbers cut in 10 equal-width bins of the training range, missing values as a cell of their own.",
        "三列联合频数表的全变差距离；数值按训练数据范围等宽分为 10 段，缺失单独成格。",
    ),
    "missing.name": ("Missing-rate error", "缺失率误差"),
    "missing.meaning": (
        "Difference of the share of missing values, averaged over columns that have any.",
        "缺失比例之差，对有缺失的列取平均。",
    ),
    "missing.definition": (
        "Absolute difference to the training table, in percentage points.",
        "与训练数据之差的绝对值，单位为百分点。",
    ),
    "spikes.name": ("Spike-rate error", "尖峰误差"),
    "spikes.meaning": (
        "Values that many rows share (zeros, caps, round numbers): how far the worst one's rate is off, averaged over number columns.",
        "许多行共有的取值（零、上限、整数）：每个数值列中偏差最大的比例，对列取平均。",
    ),
    "spikes.definition": (
        "Spike: more than 1 % of the present values and at least 3 rows, in either table. Percentage points.",
        "尖峰：任一表中超过 1 % 且至少 3 行的取值。单位为百分点。",
    ),
    "logistic_judge.name": ("Logistic judge (C2ST)", "逻辑回归判别 (C2ST)"),
    "logistic_judge.meaning": (
        "1 if a simple judge, which weighs each column on its own, can only guess which rows are synthetic; 0 if it always knows.",
        "只会逐列权衡的简单判别器全凭猜时为 1，总能认出合成行时为 0。",
    ),
    "logistic_judge.definition": (
        "1 - (2 max(AUC, .5) - 1) of a logistic regression, 3 folds, equal numbers of rows.",
        "逻辑回归的 1 - (2 max(AUC, 0.5) - 1)，三折，两边行数相等。",
    ),
    "boosting_judge.name": ("Boosting judge (AUC)", "梯度提升判别 (AUC)"),
    "boosting_judge.meaning": (
        "How well a strong judge tells synthetic from training rows: .5 is guessing, 1 is always right; well below .5 hints at copies.",
        "强判别器能否分辨合成行与训练行：0.5 为全凭猜，1 为总能认出；明显低于 0.5 提示照抄。",
    ),
    "boosting_judge.definition": (
        "Mean AUC of scikit-learn's HistGradientBoostingClassifier (defaults), 3 folds, equal numbers of rows; DeLong interval.",
        "scikit-learn 的 HistGradientBoostingClassifier（默认参数）三折平均 AUC，两边行数相等；DeLong 区间。",
    ),
    "utility.name": ("Utility", "可用性"),
    "utility.meaning": (
        "How well a model fitted on synthetic rows does on real hold-out rows; the floor is the same model fitted on training rows.",
        "用合成数据训练的模型在真实留出数据上的表现；真实参照为用训练数据训练的同一模型。",
    ),
    "utility.definition": (
        "Gradient boosting (defaults) on as many rows. Two classes: AUC; several: mean one-vs-rest AUC; numbers: R². Without a target: "
        "sum of skills over all columns, as a ratio to the sum with training rows.",
        "梯度提升（默认参数），行数相等。两类：AUC；多类：一对其余 AUC 的平均；数值：R²。未指定目标：各列可预测度之和与用训练数据时之比。",
    ),
    "importance_agreement.name": ("Agreement on what matters", "重要列的一致程度"),
    "importance_agreement.meaning": (
        "Whether a model fitted on synthetic rows relies on the same columns to predict the target as one fitted on real rows: 1 is the same order, 0 is chance.",
        "预测目标时，用合成数据训练的模型与用真实数据训练的模型是否倚重同样的列：1 为次序相同，0 为偶然。",
    ),
    "importance_agreement.definition": (
        "Spearman correlation, ties at their mean rank, of the permutation importances (loss of AUC or R², at least 0) of two small gradient boosting "
        "models on one half of the hold-out; all are fitted on equally many rows. Floor: a model fitted on the other half.",
        "两个小型梯度提升模型在一半留出数据上的置换重要性（AUC 或 R² 的损失，至少为 0）的斯皮尔曼相关，并列取平均名次；训练行数相同。真实参照：用另一半"
        "留出数据训练的模型。",
    ),
    "worst_subgroup.name": ("Worst-served subgroup", "再现最差的群体"),
    "worst_subgroup.meaning": (
        "How far the rows of the subgroup that is served worst are off, averaged over columns; 0 is best.",
        "再现得最差的群体，其各行分布偏离多少，对各列取平均；0 最好。",
    ),
    "worst_subgroup.definition": (
        "Subgroup: the rows with one label of one category column, at least 100 of them in the hold-out. Mean shape error of all other columns within it; the "
        "worst is the one that exceeds its own floor most, the hold-out rows of the same subgroup.",
        "群体：某一类别列取同一标签的行，留出数据中至少 100 行。取其中其他各列形状误差的平均；最差的群体是超出自身真实参照（同一群体的留出行）最多的一个。",
    ),
    "nearer_to_train.name": ("Nearer to training rows", "更靠近训练行的占比"),
    "nearer_to_train.meaning": (
        "Share of synthetic rows that lie nearer to a training row than to any hold-out row; .5 is best, towards 1 the model repeats rows.",
        "离训练行比离任何留出行更近的合成行占比；0.5 最好，越接近 1 越是在重复训练行。",
    ),
    "nearer_to_train.definition": (
        "L1 distance; ties shared among the tied rows. Odds are divided by training rows / hold-out rows, so that .5 is best whatever the "
        "sizes. Floor: each half of the hold-out against the other.",
        "L1 距离；并列时按并列行数分摊。几率除以训练行数与留出行数之比，因此无论大小，0.5 都是最佳。真实参照：留出数据的两半互为对照。",
    ),
    "closest_distance.name": ("Distance to the closest row", "最近距离"),
    "closest_distance.meaning": (
        "Median distance from a synthetic row to the closest training row; as far as real rows or farther shows no copying, 0 is a copy.",
        "合成行到最近训练行的距离中位数；与真实行相当或更远说明没有照抄，0 为照抄。",
    ),
    "closest_distance.definition": (
        "L1 over numbers (in units of the training range) and labels (1 if different).",
        "数值（以训练范围为单位）与类别（不同记 1）的 L1 距离。",
    ),
    "closest_ratio.name": ("Closest-row ratio", "最近距离比"),
    "closest_ratio.meaning": (
        "Near 0, some synthetic rows sit on one particular training row; like the floor or larger shows none do.",
        "接近 0 说明有的合成行紧贴某一条训练行；与真实参照相近或更大则没有。",
    ),
    "closest_ratio.definition": (
        "5th percentile of the distance to the nearest over the distance to the second nearest training row.",
        "到最近与次近训练行距离之比的 5 % 分位数。",
    ),
    "exact_copies.name": ("Exact copies", "完全照抄"),
    "exact_copies.meaning": (
        "Share of synthetic rows that equal a training row in every column; real rows coincide too, as the floor shows.",
        "与某训练行每一列都相同的合成行占比；真实数据之间也会相同，见真实参照。",
    ),
    "exact_copies.definition": ("All columns but identifiers; all rows.", "除标识符外的全部列；全部行。"),
    "copied_identifiers.name": ("Copied identifiers", "照抄的标识符"),
    "copied_identifiers.meaning": (
        "Share of synthetic identifiers that occur in the training table.",
        "在训练数据中出现过的合成标识符占比。",
    ),
    "copied_identifiers.definition": ("All identifier columns, present values.", "所有标识符列的非缺失值。"),
    "copied_texts.name": ("Copied texts", "照抄的文本"),
    "copied_texts.meaning": (
        "Share of synthetic texts that occur word for word in the training table.",
        "与训练数据中某段文本完全相同的合成文本占比。",
    ),
    "copied_texts.definition": ("All text columns, present values.", "所有文本列的非缺失值。"),
    "membership.name": ("Membership attack (AUC)", "成员推断攻击 (AUC)"),
    "membership.meaning": (
        "How well somebody who holds a real example tells from the synthetic ones whether it was trained on: .5 is guessing, 1 is always right.",
        "手中有一条真实数据的人，能否凭合成数据判断它是否用于训练：0.5 为全凭猜，1 为总能判对。",
    ),
    "membership.definition": (
        "Training rows against as many hold-out rows, scored by the density of synthetic rows around each over that of other hold-out rows "
        "(nearest neighbour, L1; DOMIAS, van Breugel et al. 2023). DeLong interval.",
        "训练行与同样多的留出行，按周围合成行的密度与其他留出行的密度之比打分（最近邻，L1；DOMIAS，van Breugel 等 2023）。DeLong 区间。",
    ),
    "singling_out.name": ("Singling out", "单独识别"),
    "singling_out.meaning": (
        "How much more often a description read off a synthetic row fits exactly one training row than exactly one row that was never seen; 0 is best.",
        "从合成行读出的描述恰好只符合一条训练行的机会，比恰好只符合一条没见过的行多出多少；0 最好。",
    ),
    "singling_out.definition": (
        "Risk (attack - control) / (1 - control) of Giomi et al. 2023. Conditions on several columns that one synthetic row fulfils; the control "
        "has hold-out rows in the places of as many training rows, scaled up to all. 95 % interval from Wilson's by variance recovery.",
        "Giomi 等 2023 的风险：(攻击 - 对照) / (1 - 对照)。取恰好一条合成行满足的多列条件；对照用留出行替换同样多的训练行，再按行数放大。"
        "95 % 区间由 Wilson 区间合成。",
    ),
    "linkability.name": ("Linkability", "可关联"),
    "linkability.meaning": (
        "How much better two halves of one person's row find each other through a synthetic row if the person was trained on; 0 is best.",
        "同一人的记录拆成两半后，通过合成行重新对上的机会，因参与训练而多出多少；0 最好。",
    ),
    "linkability.definition": (
        "Same risk. The columns are dealt into two halves; success: both have a nearest synthetic row in common. Each column adds at most 1 (Gower).",
        "风险定义同上。各列分成两半；两半有共同的最近合成行即为成功。每列距离至多为 1（Gower）。",
    ),
    "attribute_inference.name": ("Attribute inference", "属性推断"),
    "attribute_inference.meaning": (
        "How much better one value of a row is guessed from the most similar synthetic row if the row was trained on; 0 is best.",
        "用最相似的合成行猜一条记录的某个值，因该记录参与训练而更准多少；0 最好。",
    ),
    "attribute_inference.definition": (
        "Same risk, averaged over the columns, each hidden in turn. Numbers count as found within 5 % of the span from the 5th to the 95th percentile.",
        "风险定义同上，轮流隐藏每一列并取平均。数值误差在第 5 至第 95 百分位跨度的 5 % 以内算猜中。",
    ),
}  # fmt: skip

VERDICTS: dict[str, tuple[str, str]] = {
    "close.title": ("How close", "有多像"),
    "close.good": (
        "Columns and pairs are about as close to the training table as fresh real rows would be",
        "各列和列间关系与训练数据的接近程度，和新的真实数据差不多",
    ),
    "close.fair": (
        "Columns and pairs follow the training table, but less closely than fresh real rows would",
        "各列和列间关系大体跟随训练数据，但不如新的真实数据接近",
    ),
    "close.poor": (
        "Columns or pairs differ clearly from the training table",
        "各列或列间关系与训练数据明显不同",
    ),
    "close.unknown": ("There is nothing to compare", "没有可比较的内容"),
    "close.no_floor": (
        "Without hold-out rows nobody can tell how much of the difference is chance",
        "没有留出数据，就无法判断差异中有多少只是偶然",
    ),
    "close.numbers": (
        ": shape error {shape} (floor {shape_floor}), trend error {trend} (floor {trend_floor}).",
        "：形状误差 {shape}（真实参照 {shape_floor}），趋势误差 {trend}（真实参照 {trend_floor}）。",
    ),
    "judge.title": ("Can they be told apart", "能否分辨"),
    "judge.good": (
        "A strong judge can hardly tell synthetic rows from training rows",
        "强判别器几乎分不清合成行与训练行",
    ),
    "judge.fair": (
        "A strong judge sometimes tells synthetic rows from training rows",
        "强判别器有时能分辨合成行与训练行",
    ),
    "judge.poor": ("A strong judge tells synthetic rows from training rows", "强判别器能认出合成行"),
    "judge.copies": (
        "The judge does worse than guessing, because synthetic rows repeat training rows",
        "判别器比猜还差，因为合成行重复了训练行",
    ),
    "judge.unknown": ("Too few rows for a judge.", "行数太少，无法判别。"),
    "judge.numbers": (
        ": AUC {value}, where .5 is guessing (floor {floor}, copycat {copycat}).",
        "：AUC {value}，0.5 为全凭猜（真实参照 {floor}，照抄参照 {copycat}）。",
    ),
    "useful.title": ("How useful", "有多好用"),
    "useful.good": (
        "A model fitted on synthetic rows does about as well on real rows as one fitted on the training table",
        "用合成数据训练的模型在真实数据上的表现，与用训练数据训练的差不多",
    ),
    "useful.fair": (
        "A model fitted on synthetic rows does somewhat worse on real rows than one fitted on the training table",
        "用合成数据训练的模型在真实数据上的表现，略逊于用训练数据训练的",
    ),
    "useful.poor": (
        "A model fitted on synthetic rows does much worse on real rows than one fitted on the training table",
        "用合成数据训练的模型在真实数据上的表现，远逊于用训练数据训练的",
    ),
    "useful.unknown": (
        "Usefulness could not be measured: it needs hold-out rows, and something that can be predicted.",
        "无法测量可用性：需要留出数据，以及可预测的列。",
    ),
    "useful.target": (
        ": {unit} {value} for “{target}” (training rows: {floor}).",
        "：预测“{target}”的 {unit} 为 {value}（训练数据：{floor}）。",
    ),
    "useful.every": (
        ": {percent} % of the skill, over all columns.",
        "：对各列而言，保留了 {percent} % 的可预测度。",
    ),
    "private.title": ("How private", "有多私密"),
    "private.good": ("No sign of copying", "没有照抄的迹象"),
    "private.fair": ("The model remembers some rows: think before sharing", "模型记住了一些行：分享前请三思"),
    "private.poor": ("Training rows shine through: do not share these rows as private", "训练行清晰可见：不要把这些行当作匿名数据分享"),
    "private.unknown": (
        "Without hold-out rows nobody can tell learning from copying.",
        "没有留出数据，就无法区分学习与照抄。",
    ),
    "private.numbers": (
        ": {value} % of synthetic rows are nearer to a training than to a hold-out row (50 % is best, copycat {copycat} %), and {copies} % "
        "are exact copies (floor {copies_floor} %).",
        "：离训练行比离留出行更近的占 {value} %（50 % 最好，照抄参照 {copycat} %），完全照抄占 {copies} %（真实参照 {copies_floor} %）。",
    ),
    "private.copies": (": {copies} % of synthetic rows are exact copies.", "：{copies} % 的合成行为完全照抄。"),
    "private.identifiers": ("{share} % of identifiers are copied.", "{share} % 的标识符为照抄。"),
    "private.attacks": (
        "Attacks learn more of training examples than of others: {names}.",
        "攻击对训练数据的了解多于对其他数据：{names}。",
    ),
    "private.texts": ("{share} % of texts are copied word for word.", "{share} % 的文本为逐字照抄。"),
}  # fmt: skip
