"""The report's words for pictures: each metric's name, meaning and definition, the verdicts, and what the page says."""

# ruff: noqa: E501 - a sentence stays on few lines, so that a search finds it; Chinese counts double

from __future__ import annotations

IMAGES: dict[str, tuple[str, str]] = {
    "frechet.name": ("Fréchet distance", "弗雷歇距离"),
    "frechet.meaning": ("How far the samples are from real pictures as a whole; lower is better.", "样本整体与真实图片相差多远；越低越好。"),
    "frechet.definition": (
        "Squared Fréchet distance of normal distributions fitted to features of training and synthetic pictures (Heusel et al. 2017, equation 6), on the features named beside it; not comparable with an Inception FID, nor with other features, nor with another n. Graded by how far it exceeds the floor, as a part of the spread (total variance) of real pictures: at most 2 % good, 12 % fair.",
        "对训练图片与合成图片的特征各拟合正态分布，取弗雷歇距离的平方（Heusel 等 2017，式 6），特征名称见旁注；不能与 Inception FID、其他特征或其他 n 的数值相比。按超出真实参照的部分占真实图片离散程度（总方差）的比例评级：不超过 2 % 良好，12 % 尚可。",
    ),
    "fid.name": ("FID (Inception)", "FID（Inception）"),
    "fid.meaning": ("The Fréchet distance by which papers compare; lower is better.", "论文中用于比较的弗雷歇距离；越低越好。"),
    "fid.definition": (
        "Fréchet Inception distance (Heusel et al. 2017): as the Fréchet distance, on the 2,048 features of Inception v3 with the weights that you pointed to, pictures resized as pytorch-fid does. Published values take 50,000 samples and often all training pictures; with fewer the value is larger, as the floor shows. Not graded.",
        "弗雷歇 Inception 距离（Heusel 等 2017）：定义同弗雷歇距离，使用您指定权重的 Inception v3 的 2,048 维特征，图片缩放方式同 pytorch-fid。已发表的数值取 50,000 个样本，常与全部训练图片比较；数量较少时数值偏大，可由真实参照看出。不评级。",
    ),
    "kid.name": ("Kernel distance × 1000", "核距离 × 1000"),
    "kid.meaning": ("The same without a bias at few pictures; around 0 for equal distributions.", "含义相同，但图片少时也无偏；分布相同时在 0 附近。"),
    "kid.definition": (
        "Unbiased squared maximum mean discrepancy, kernel (x·y/d + 1)³ (Bińkowski et al. 2018), features scaled by one number so that real ones have mean square 1. Interval from disjoint blocks.",
        "无偏的最大均值差异的平方，核为 (x·y/d + 1)³（Bińkowski 等 2018）；特征乘以同一常数，使真实图片的均方为 1。区间由互不重叠的分块得到。",
    ),
    "precision.name": ("Precision", "精确率"),
    "precision.meaning": ("Share of samples that look like real pictures.", "看起来像真实图片的样本占比。"),
    "precision.definition": (
        "Share of samples within the 5-neighbour ball of some training picture (Kynkäänniemi et al. 2019). Precision, density and recall are not graded on untrained features, nor where pictures are no more than features: a few far pictures then have balls that hold noise too.",
        "落在某张训练图片第 5 近邻球内的样本占比（Kynkäänniemi 等 2019）。特征未经训练，或图片不多于特征数时，精确率、密度和召回率不评级：少数离群图片的球大到连噪声也包含在内。",
    ),
    "recall.name": ("Recall", "召回率"),
    "recall.meaning": ("Share of real pictures that the model could have made.", "模型有可能画出的真实图片占比。"),
    "recall.definition": ("Share of training pictures within the 5-neighbour ball of some sample (Kynkäänniemi et al. 2019).", "落在某个样本第 5 近邻球内的训练图片占比（Kynkäänniemi 等 2019）。"),
    "density.name": ("Density", "密度"),
    "density.meaning": ("Like precision, but outliers count little; above the floor, samples crowd where training pictures are densest.", "与精确率类似，但受离群点影响小；高于真实参照，说明样本挤在训练图片最密的地方。"),
    "density.definition": ("Mean number of training balls around a sample, divided by 5 (Naeem et al. 2020).", "每个样本所在的训练球的平均个数除以 5（Naeem 等 2020）。"),
    "coverage.name": ("Coverage", "覆盖率"),
    "coverage.meaning": ("Share of real pictures with a sample near by: low when modes are lost.", "附近有样本的真实图片占比：丢失模式时会降低。"),
    "coverage.definition": ("Share of training balls that hold a sample (Naeem et al. 2020).", "包含样本的训练球占比（Naeem 等 2020）。"),
    "class_balance.name": ("Balance of classes", "类别均衡"),
    "class_balance.meaning": ("Whether all classes are made, as a classifier sees it; 1: equally often.", "由分类器判断各类别是否都有生成；1 表示各类一样多。"),
    "class_balance.definition": ("Entropy of the classes told by a classifier trained on real pictures, divided by the largest possible.", "用真实图片训练的分类器所判类别的熵，除以可能的最大值。"),
    "cluster_balance.name": ("Balance of clusters", "聚类均衡"),
    "cluster_balance.meaning": ("Whether all kinds of pictures are made, without any labels.", "不用标签，看各种图片是否都有生成。"),
    "cluster_balance.definition": ("Entropy over 20 k-means clusters of training features, divided by the largest possible.", "训练特征的 20 个 k 均值聚类上的熵，除以可能的最大值。"),
    "vendi.name": ("Vendi score", "Vendi 分数"),
    "vendi.meaning": ("Effective number of different pictures among the samples.", "样本中有效的不同图片数。"),
    "vendi.definition": ("Exponential of the entropy of the eigenvalues of the cosine similarities (Friedman and Dieng 2023).", "余弦相似度矩阵特征值的熵取指数（Friedman 与 Dieng 2023）。"),
    "within_class.name": ("Likeness within a class", "类内相似度"),
    "within_class.meaning": (
        "How alike two samples of one class are: far above the floor when a class has collapsed.",
        "同类两个样本有多像：某类坍缩时远高于真实参照。",
    ),
    "within_class.definition": (
        "Mean MS-SSIM of 500 random pairs of one class (Odena et al. 2017); of any two pictures where there are no labels.",
        "同类 500 个随机对的 MS-SSIM 平均（Odena 等 2017）；没有标签时取任意两张。",
    ),
    "class_kept.name": ("Label kept", "标签一致"),
    "class_kept.meaning": ("Share of samples that a classifier sees as the class they were made for, mean over the classes.", "被分类器判为其目标类别的样本占比，对各类别取平均。"),
    "class_kept.definition": ("Balanced accuracy (mean over classes) on samples of a classifier trained on as many real pictures.", "用同样多真实图片训练的分类器在样本上的平衡准确率（对各类别取平均）。"),
    "classifier.name": ("Classifier trained on samples", "用样本训练的分类器"),
    "classifier.meaning": ("Accuracy on real held-out pictures, mean over the classes, of a classifier that saw only samples.", "只看过样本的分类器在真实留出图片上的准确率，对各类别取平均。"),
    "classifier.definition": (
        "Classification accuracy score (Ravuri and Vinyals 2019): the same small network, the same number of steps and of pictures; floor and copycat: trained on real training pictures. Departs: accuracy is balanced, the mean over the classes of the share of each that is told right, so that naming the largest class always is worth 1 / classes. Graded by what is lost to the floor: at most .02 and a tenth of what the floor is above guessing good, .1 and four tenths fair.",
        "分类准确率分数（Ravuri 与 Vinyals 2019）：同一小网络、同样步数、同样多的图片；两个参照均用真实训练图片训练。不同之处：采用平衡准确率，即各类别判对比例的平均，因此总是猜最大类别只得 1 / 类别数。按比真实参照少多少评级：不超过 0.02 且不超过其高出瞎猜部分的十分之一为良好，0.1 且十分之四为尚可。",
    ),
    "bits_per_dimension.name": ("Bits per pixel value", "每像素值比特数"),
    "bits_per_dimension.meaning": ("What the model needs to describe a held-out picture; lower is better.", "模型描述一张留出图片所需的比特数；越低越好。"),
    "bits_per_dimension.definition": ("Negative log-likelihood (or its bound) of held-out pictures in bits, divided by the number of pixel values; no floor: it is the model's own measure.", "留出图片的负对数似然（或其界），以比特计，除以像素值个数；没有真实参照：这是模型自己的尺度。"),
    "reconstruction_psnr.name": ("Reconstruction PSNR", "重建 PSNR"),
    "reconstruction_psnr.meaning": ("How much of a held-out picture survives encoding and decoding, in decibels.", "留出图片编码再解码后保留多少，以分贝计。"),
    "reconstruction_psnr.definition": (
        "10 log10(255² / mean squared error), mean over held-out pictures, 100 at most. Copycat: the nearest training picture in the place of the reconstruction. No floor: a perfect one is the original.",
        "10 log10(255² / 均方误差)，对留出图片取平均，最大为 100。照抄参照：用最近的训练图片代替重建。没有真实参照：完美的重建就是原图。",
    ),
    "reconstruction_ssim.name": ("Reconstruction SSIM", "重建 SSIM"),
    "reconstruction_ssim.meaning": ("The same by structure; 1 is perfect.", "同上，按结构衡量；1 为完美。"),
    "reconstruction_ssim.definition": (
        "Structural similarity (Wang et al. 2004), Gaussian window of 11 pixels, mean over held-out pictures.",
        "结构相似度（Wang 等 2004），11 像素高斯窗，对留出图片取平均。",
    ),
    "codebook_usage.name": ("Codebook in use", "码本使用率"),
    "codebook_usage.meaning": ("Share of the codes that training pictures use.", "训练图片用到的码占比。"),
    "codebook_usage.definition": (
        "Codes that occur in random training pictures, 500 at most, divided by all codes.",
        "随机抽取至多 500 张训练图片，其中出现过的码除以全部码。",
    ),
    "nats.name": ("Nats per picture", "每张图片的奈特数"),
    "nats.meaning": ("What the model needs to describe a whole held-out picture; lower is better.", "模型描述一整张留出图片所需的奈特数；越低越好。"),
    "nats.definition": ("Negative log-likelihood (or its bound) of held-out pictures in nats; grey pictures as bits are drawn by their brightness (Salakhutdinov and Murray 2008).", "留出图片的负对数似然（或其界），以奈特计；二值图按亮度随机抽取（Salakhutdinov 与 Murray 2008）。"),
    "codebook_perplexity.name": ("Codebook perplexity", "码本困惑度"),
    "codebook_perplexity.meaning": ("Effective number of codes in use.", "有效使用的码数。"),
    "codebook_perplexity.definition": ("Exponential of the entropy of the shares of codes in the same training pictures.", "同样这些训练图片中各码占比的熵取指数。"),
    "reconstruction_ms_ssim.name": ("Reconstruction MS-SSIM", "重建 MS-SSIM"),
    "reconstruction_ms_ssim.meaning": ("The same at several scales; 1 is perfect.", "同上，在多个尺度上衡量；1 为完美。"),
    "reconstruction_ms_ssim.definition": ("Multi-scale structural similarity (Wang et al. 2003), as many scales as the pictures have room for.", "多尺度结构相似度（Wang 等 2003），尺度数以图片能容纳为限。"),
    "near_pixels.name": ("Near-copies by pixels", "按像素的近似复制"),
    "near_pixels.meaning": (
        "The same, measured on the pixels and not on features.",
        "同上，直接在像素上而不在特征上衡量。",
    ),
    "near_pixels.definition": (
        "Root mean square difference of 16 × 16 cells to the nearest training picture, against the 1st percentile of held-out pictures, or of training pictures beside the others where few are held out.",
        "16 × 16 格均值到最近训练图片的均方根差，与留出图片的第 1 百分位相比；留出图片少时，与训练图片彼此比较的第 1 百分位相比。",
    ),
    "nearer_pictures.name": ("Nearer to training pictures", "更接近训练图片"),
    "nearer_pictures.meaning": (
        "Share of samples that lie nearer to a training picture than to any held-out picture; .5 is best, towards 1 the model repeats pictures.",
        "离训练图片比离任何留出图片更近的样本占比；0.5 最好，越接近 1 越是在重复图片。",
    ),
    "nearer_pictures.definition": (
        "Distances in features; ties count half. Odds are divided by training pictures / held-out pictures, so that .5 is best whatever the sizes; of samples with the same nearest training picture one is asked. Floor: each half of the held-out pictures against the other.",
        "特征空间中的距离；并列计一半。几率除以训练图片数与留出图片数之比，因此无论大小，0.5 都是最佳；最近训练图片相同的样本只计一个。真实参照：留出图片的两半互为对照。",
    ),
    "near_copies.name": ("Near-copies", "近似复制"),
    "near_copies.meaning": ("Share of samples nearer to a training picture than 99 % of fresh real pictures are.", "比 99 % 的新真实图片更接近某张训练图片的样本占比。"),
    "near_copies.definition": (
        "Distance to the nearest training picture in features, against the 1st percentile of that of held-out pictures; floor: each half of the held-out pictures against the limit of the other. With fewer than 200 held-out pictures, training pictures stand in for them, one of each group of near-copies, beside those of other groups. Counts as more than the floor only where the interval of the difference rules out chance (Newcombe 1998, at 95 % for the three shares of copies together).",
        "特征空间中到最近训练图片的距离，与留出图片该距离的第 1 百分位相比；真实参照：留出图片的两半互为对照。留出图片少于 200 张时由训练图片代替：每组近似图片取一张，与其他组的图片比较。只有差值的区间排除偶然性时才算高于真实参照（Newcombe 1998，三项复制占比合计 95 %）。",
    ),
    "authentic.name": ("Authentic", "原创"),
    "authentic.meaning": (
        "Share of samples that are farther from their nearest training picture than that one is from its own nearest; compare with the floor.",
        "与最近训练图片的距离大于该图片与其自身最近者距离的样本占比；请与真实参照比较。",
    ),
    "authentic.definition": ("After Alaa et al. 2022, section 2.3.", "依据 Alaa 等 2022，第 2.3 节。"),
    "exact_pictures.name": ("Exact copies", "完全复制"),
    "exact_pictures.meaning": ("Share of samples that are a training picture, pixel by pixel.", "逐像素等于某张训练图片的样本占比。"),
    "exact_pictures.definition": (
        "Equal pixels, among all training pictures.",
        "与全部训练图片逐像素比较。",
    ),
    "recoloured_copies.name": ("Look-alikes", "相似复制"),
    "recoloured_copies.meaning": (
        "Share of samples with the pattern of light and dark of a training picture, whatever contrast, tint or scale.",
        "明暗分布与某张训练图片相同（不论对比度、色调和大小）的样本占比。",
    ),
    "recoloured_copies.definition": (
        "Cosine of the perceptual fingerprints (brightness on 16 × 16 cells, less its mean) at least .99; the first 2,000 samples.",
        "感知指纹（16 × 16 格上减去均值的亮度）的余弦不小于 0.99；取前 2,000 个样本。",
    ),
    "pictures.title": ("Synthetic picture report", "合成图片报告"),
    "pictures.sizes": (
        "{synthetic} synthetic pictures, compared with {train} training and {holdout} held-out pictures; {compared} of each in the distances.",
        "{synthetic} 张合成图片，与 {train} 张训练图片和 {holdout} 张留出图片比较；距离类指标各用 {compared} 张。",
    ),
    "pictures.features": (
        "Features: {name}, n = {n} pictures of each; SHA-256 of the weights: {sha256}.",
        "特征：{name}，各 n = {n} 张图片；权重的 SHA-256：{sha256}。",
    ),
    "pictures.gallery": ("Samples", "样本"),
    "pictures.gallery_intro": ("Drawn at random, not chosen; where there are classes, in their order.", "随机抽取，未经挑选；有类别时按类别排列。"),
    "pictures.classes": (
        "{each} of each class, ten in a row, white where there are fewer; the classes: {names}.",
        "每类 {each} 张，每行十张，不足处留白；类别依次为：{names}。",
    ),
    "pictures.nearest": ("Does it copy?", "是否照抄？"),
    "pictures.nearest_intro": (
        "Samples that come nearest to a training picture (above), nearest first, and that picture (below). These are real training pictures, the only ones on this page: do not pass it on where they may not be shown.",
        "最接近训练图片的样本（上，最近的在前）与对应的训练图片（下）。这是本页唯一展示真实训练图片之处：不可公开时请勿转发本页。",
    ),
    "pictures.rebuilt": ("Reconstructions", "重建"),
    "pictures.rebuilt_intro": ("Held-out pictures (above) and what the model makes of them after encoding (below).", "留出图片（上）与编码后重建的结果（下）。"),
    "pictures.progress": ("Loss while training", "训练损失"),
    "pictures.diversity": ("Diversity", "多样性"),
    "pictures.steps": ("Quality against solver steps", "质量与求解步数"),
    "pictures.no_psnr": (
        "PSNR and SSIM are given for reconstructions only: a sample has no original to be compared with.",
        "PSNR 与 SSIM 只用于重建：样本没有可比较的原图。",
    ),
    "note.few_images": ("Measured on {n} pictures each: such distances grow as pictures get fewer; compare equal numbers only.", "各用 {n} 张图片测得：图片越少此类距离越大；只可比较相同数量。"),
    "note.measured_on": ("{name}, weights {sha256}, n = {n}.", "{name}，权重 {sha256}，n = {n}。"),
    "note.other_weights": (
        "The weights are not the usual ones (SHA-256 {usual}…): do not compare with published values.",
        "权重不是通常的那一份（SHA-256 {usual}…）：请勿与已发表的数值比较。",
    ),
    "note.weak_features": (
        "These features come from an untrained network: they order models, and see little of meaning. The extra “features” brings better ones.",
        "这些特征来自未训练的网络：可用于排序，但看不到多少含义。可安装附加组件“features”以获得更好的特征。",
    ),
    "note.few_for_features": (
        "{n} pictures are no more than there are features ({width}): chance is a large part of the distance, and of its floor alike.",
        "{n} 张图片不多于特征数（{width}）：距离及其真实参照中偶然成分都很大。",
    ),
    "note.of_training": ("Measured on {n} training pictures.", "在 {n} 张训练图片上测得。"),
    "note.inverts": (
        "Not measured: this model decodes by undoing what encodes, whatever it has learned, so a reconstruction says nothing of it.",
        "未测：该模型的解码只是编码的逆运算，与学到什么无关，因此重建说明不了模型的好坏。",
    ),
    "note.few_fresh": ("At least {fewest} held-out pictures are needed.", "至少需要 {fewest} 张留出图片。"),
    "note.stand_ins": (
        "Only {holdout} pictures are held out: what is near was learned from {training} training pictures, each beside the others without its near-copies.",
        "只有 {holdout} 张留出图片：“接近”的界限由 {training} 张训练图片得出，每张与除去其近似图片后的其余训练图片比较。",
    ),
    "note.few_to_learn": (
        "It takes {fewest} held-out pictures, or {stand_ins} training pictures that are no near-copies of one another, to learn what is near; there are {holdout} and {training}.",
        "要得出“接近”的界限，需要 {fewest} 张留出图片，或 {stand_ins} 张互不近似的训练图片；现有 {holdout} 张和 {training} 张。",
    ),
    "note.floor_halves": (
        "Only {holdout} pictures are held out: the floor is one half of the training pictures against the other.",
        "只有 {holdout} 张留出图片：真实参照由训练图片的一半与另一半比较得到。",
    ),
    "note.searched_part": ("Searched {searched} of {of} training pictures: copies of others are not seen.", "只搜索了 {of} 张训练图片中的 {searched} 张：看不到对其他图片的复制。"),
    "varied.title": ("Is everything there?", "是否样样俱全？"),
    "varied.good": ("The samples are as varied as real pictures", "样本与真实图片一样多样"),
    "varied.fair": ("Some kinds of pictures are rarer than they should be", "有些图片比应有的少"),
    "varied.poor": ("Many kinds of pictures are missing", "许多种图片缺失"),
    "varied.unknown": ("It cannot be said without held-out pictures.", "没有留出图片，无法判断。"),
    "varied.numbers": (
        ": coverage {coverage} (real pictures {coverage_floor}), recall {recall} ({recall_floor}).",
        "：覆盖率 {coverage}（真实图片 {coverage_floor}），召回率 {recall}（{recall_floor}）。",
    ),
    "like.title": ("Do they look real?", "像真的吗？"),
    "like.good": ("The samples are close to real pictures", "样本接近真实图片"),
    "like.fair": (
        "The samples resemble real pictures, and measurably differ from them",
        "样本与真实图片相近，但有可测的差别",
    ),
    "like.poor": ("The samples are far from real pictures", "样本与真实图片相差甚远"),
    "like.unknown": ("It cannot be said without held-out pictures.", "没有留出图片，无法判断。"),
    "like.numbers": (
        ": Fréchet distance {value}, real pictures {floor}; the excess is {over} % of the spread of real pictures (n = {n}).",
        "：弗雷歇距离 {value}，真实图片 {floor}；超出部分为真实图片离散程度的 {over} %（n = {n}）。",
    ),
    "teach.title": ("Can a classifier learn from them?", "能用来训练分类器吗？"),
    "teach.good": ("Nearly as well as from real pictures", "几乎与真实图片一样好"),
    "teach.fair": ("Somewhat less than from real pictures", "比真实图片稍差"),
    "teach.poor": ("Much less than from real pictures", "比真实图片差很多"),
    "teach.unknown": (
        "There are no labels to learn, or too few held-out pictures to test on.",
        "没有可学的标签，或留出图片太少而无法测试。",
    ),
    "teach.hard": (
        "It cannot be said: from real pictures too the classifier learns next to nothing (balanced accuracy {floor}).",
        "无法判断：即使用真实图片，分类器也几乎学不到什么（平衡准确率 {floor}）。",
    ),
    "teach.numbers": (" (balanced accuracy {value}, from real pictures {floor}).", "（平衡准确率 {value}，用真实图片 {floor}）。"),
    "pictures.membership.definition": (
        "Training pictures against as many held-out ones, scored by the density of samples around each over that of other held-out pictures (nearest neighbour by features; DOMIAS, van Breugel et al. 2023). DeLong interval. Copycat: all training pictures that are searched.",
        "训练图片与同样多的留出图片，按周围样本的密度与其他留出图片的密度之比打分（特征空间的最近邻；DOMIAS，van Breugel 等 2023）。DeLong 区间。照抄参照：所有被查找的训练图片。",
    ),
    "own.title": ("Are they copies?", "是复制品吗？"),
    "own.good": ("The samples come no nearer to training pictures than fresh real pictures do", "样本与训练图片的接近程度不超过新的真实图片"),
    "own.fair": ("Some samples come near to training pictures; look at the pairs below", "有些样本接近训练图片；请看下面的对照"),
    "own.poor": ("Samples copy training pictures", "样本复制了训练图片"),
    "own.unknown": ("It cannot be said without held-out pictures.", "没有留出图片，无法判断。"),
    "own.few": (
        "It cannot be said from so few pictures: {holdout} held-out ones (it takes {fewest}), and {training} training pictures that are no near-copies of one another (or {stand_ins}).",
        "图片太少，无法判断：留出图片 {holdout} 张（需要 {fewest} 张），互不近似的训练图片 {training} 张（或需要 {stand_ins} 张）。",
    ),
    "own.numbers": (
        ": near-copies {near} % (fresh real pictures {near_floor} %), look-alikes {alike} % ({alike_floor} %), exact copies {exact} %.",
        "：近似复制 {near} %（新的真实图片 {near_floor} %），相似复制 {alike} %（{alike_floor} %），完全相同 {exact} %。",
    ),
    "own.exact": (
        " (exact copies {exact} %).",
        "（完全相同 {exact} %）。",
    ),
    "pictures.how_to_read": (
        "Each number stands between two others. The floor is what real pictures score that the model never saw (the hold-out), put in the place of the samples: no honest generator can do much better. The copycat is what training pictures score when handed back as if synthetic: perfect in looks, and they leak everything.",
        "每个数字都与两个参照并列。“真实参照”是把模型没有见过的真实图片（留出图片）当作样本来打分：诚实的生成模型很难明显好于它。“照抄参照”是把训练图片交回、当作合成图片来打分：外观满分，但泄露一切。",
    ),
    "pictures.real": (
        "Held-out",
        "留出",
    ),
    "pictures.private": (
        "Training pictures are shown in the part “Does it copy?” only; other real pictures on this page are held-out ones.",
        "训练图片只在“是否照抄？”一节展示；本页其他真实图片均为留出图片。",
    ),
    "pictures.no_training": (
        "This page shows no training picture; real pictures on it, if any, are held-out ones.",
        "本页不展示任何训练图片；若有真实图片，均为留出图片。",
    ),
    "pictures.distances": (
        "The nearest pair is {least} apart in features; one fresh real picture in a hundred comes within {limit}.",
        "最近的一对在特征空间中相距 {least}；每百张新的真实图片中有一张在 {limit} 以内。",
    ),
    "pictures.steps_intro": (
        "The same model and noise with more or fewer steps of the sampler.",
        "同一模型与噪声，采样步数不同。",
    ),
    "pictures.solver_steps": (
        "Steps",
        "步数",
    ),
    "pictures.utility_copy": (
        "A copy of the training pictures would score exactly like real ones here, so read this together with the privacy part.",
        "训练图片的副本在这里会与真实图片得分完全相同，所以请与隐私部分一起阅读。",
    ),
    "pictures.limits_2": (
        "This report reads the real pictures, so it stands outside any such guarantee. Where it shows training pictures, it says so.",
        "本报告读取了真实图片，因此不在任何此类保证之内。展示训练图片之处均已注明。",
    ),
    "pictures.limits_3": (
        "Distances see what their features see. A digits network is blind to colour, one trained on photographs to much of a drawing; a hand with six fingers costs little in any of them. Look at the pictures too.",
        "距离只看得到特征所能看到的。数字网络看不到颜色，照片网络看不全图画；六根手指的手在哪种距离里都影响很小。请同时看图。",
    ),
    "pictures.limits_4": (
        "Pictures are taken as independent. Variants of one picture on both sides of the split make copying look rarer than it is.",
        "各张图片被视为相互独立。同一图片的变体若分在两边，照抄会显得比实际少。",
    ),
    "pictures.limits_5": (
        "The floor is one sample: with few pictures it is noisy. Distances of fewer pictures are larger, for samples and floor alike.",
        "真实参照只是一次抽样：图片较少时噪声较大。图片越少，样本与真实参照的距离都越大。",
    ),
    "pictures.limits_no_holdout": (
        "No pictures were held out. Without them nobody can tell learning from copying. Keep some back (--holdout 0.1) or give a test folder (--test PATH) and run the report again.",
        "没有留出图片。没有它就无法区分学习与照抄。请留出一部分（--holdout 0.1）或给出测试文件夹（--test PATH），再运行一次报告。",
    ),
    "pictures.outside_guarantee": (
        "This model was trained with a privacy budget: epsilon {epsilon}. This report touches real pictures and stands outside that guarantee.",
        "该模型带隐私预算训练：epsilon = {epsilon}。本报告接触真实图片，不在该保证之内。",
    ),
    "note.no_held_pictures": (
        "No pictures were held out, so what needs them is missing.",
        "没有留出图片，因此缺少依赖它的结果。",
    ),
    "note.few_places": (
        "The samples lie beside fewer than {fewest} different training pictures: too few to ask.",
        "样本附近的不同训练图片不足 {fewest} 张：太少，无法判断。",
    ),
}  # fmt: skip
