"""Each model's own settings: the keyword arguments of its class. `config.py` has all other settings."""

from __future__ import annotations

from dataclasses import dataclass

from genwright.setting import again, setting


@dataclass(frozen=True)
class TabularARSettings:
    """Autoregressive network over columns: any column from any others."""

    width: int = setting(192, "size of the vector that collects what is known of a row", low=4, high=8192)
    hidden: int = setting(64, "units of each layer of a column's own network", low=4, high=4096)
    depth: int = setting(2, "layers of a column's own network", low=1, high=8)
    knots: int = setting(64, "resolution of the features that are smooth in the rank of a number", low=2, high=1024)
    dropout: float = setting(0.2, "share of first-layer units switched off in training", low=0, high=0.9)
    table_order: float = setting(
        0.5, "share of training rows read in the table's order, not a random one", low=0, high=1
    )


@dataclass(frozen=True)
class TabularTreesSettings:
    """A chain of decision trees: fits in seconds, memorises more."""

    leaf_rows: int = setting(20, "rows that a leaf holds at least; fewer copy more", low=1, high=1_000_000)
    smoothing: float = setting(1.0, "weight, in rows, of the column's own distribution in each leaf", low=0, high=1e6)


@dataclass(frozen=True)
class TVAESettings:
    """Variational autoencoder on coded rows."""

    width: int = setting(256, "units of the hidden layers of encoder and decoder", low=8, high=4096)
    depth: int = setting(2, "hidden layers of encoder and of decoder", low=1, high=16)
    latent: int = setting(16, "dimensions of the latent space", low=1, high=1024)
    divergence_weight: float = setting(0.5, "weight of the KL term; at 1 the latent vector is ignored", low=0, high=100)
    warmup: float = setting(0.3, "share of the run over which the KL term grows to its weight", low=0, high=1)


@dataclass(frozen=True)
class CTGANSettings:
    """Conditional Wasserstein GAN on coded rows, trained to meet rare values more often than they occur."""

    width: int = setting(128, "units of the hidden layers of generator and critic", low=8, high=4096)
    depth: int = setting(2, "hidden layers of generator and of critic", low=1, high=16)
    latent: int = setting(128, "dimensions of the latent vector", low=1, high=1024)
    packing: int = setting(
        10, "rows that the critic judges together; more: fewer kinds of rows are lost", low=1, high=100
    )
    temperature: float = setting(0.2, "of the Gumbel-softmax that carries the critic's gradient", low=0.01, high=10)
    penalty_weight: float = setting(1.0, "weight of the gradient penalty", low=0, high=1000)
    critic_steps: int = setting(1, "steps of the critic for each of the generator", low=1, high=50)


@dataclass(frozen=True)
class TabularFlowSettings:
    """Flow matching on coded rows: all columns at once, from noise."""

    width: int = setting(256, "size of the vector that collects what is known of a row", low=8, high=8192)
    depth: int = setting(2, "residual blocks", low=1, high=32)
    dropout: float = setting(0.3, "share of the last layer's inputs switched off in training", low=0, high=0.9)
    given: float = setting(0.3, "share of training rows that are completed around known columns", low=0, high=1)
    solver_steps: int = setting(
        16, "steps from noise to rows, two network calls each", low=1, high=1000, at_sampling=True
    )


@dataclass(frozen=True)
class MixtureSettings:
    """A mixture of products fitted to noisy counts of pairs of columns: the best tables under a privacy guarantee."""

    components: int = setting(200, "products in the mixture", low=1, high=10_000)
    rounds: float = setting(5.0, "measured pairs for each column", low=0, high=100)
    ones_share: float = setting(0.3, "share of the model's privacy budget for single columns", low=0.01, high=0.99)
    choices_share: float = setting(
        0.1,
        "share of the model's privacy budget for choices of pairs; what is left is for their counts",
        low=0.01,
        high=0.99,
    )
    workload: tuple[str, ...] = setting(
        (), "column that each counted pair has, or one of several if given several times; none: all pairs count"
    )
    round_steps: int = setting(30, "steps of the fit between choices of pairs", low=1, high=10_000)
    steps: int = setting(300, "steps of the last fit", low=1, high=100_000)
    target: str = setting(
        "",
        "column that all others are counted together with (2 to 4 values), or whose pairs come first; empty: --target",
    )


@dataclass(frozen=True)
class MSTSettings:
    """A tree of pairs of columns with noisy counts: the classic baseline under a privacy guarantee."""

    ones_share: float = setting(1 / 3, **again(MixtureSettings, "ones_share"))
    choices_share: float = setting(1 / 3, **again(MixtureSettings, "choices_share"))
    workload: tuple[str, ...] = setting((), **again(MixtureSettings, "workload"))


@dataclass(frozen=True)
class FlowSettings:
    """Flow matching with a U-Net: the best pictures, sampled in some tens of network calls."""

    width: int = setting(64, "channels at the finest level of the U-Net", low=8, high=1024)
    levels: int = setting(2, "resolutions of the U-Net, each half of the one before", low=1, high=6)
    depth: int = setting(1, "residual blocks at each level", low=1, high=8)
    patch: int = setting(
        0, "side of the squares of pixels that become channels before the U-Net; 0: by the size", low=0, high=8
    )
    coupling: str = setting(
        "independent", "how noise and images are paired; ot: nearest within a batch", choices=("independent", "ot")
    )
    components: int = setting(
        0, "principal components whose Gaussians the network starts from; 0: it starts from nothing", low=0, high=4096
    )
    class_drop: float = setting(
        0.1, "share of examples trained without their label at first, for guidance; it falls to 0", low=0, high=0.9
    )
    guidance: float = setting(
        1.1,
        "how far samples are pushed towards their label; 1: not, and twice as fast",
        low=0,
        high=20,
        at_sampling=True,
    )
    guidance_from: float = setting(
        0.0,
        "time from which on they are pushed, on the way from noise (0) to images (1)",
        low=0,
        high=1,
        at_sampling=True,
    )
    solver: str = setting("heun", "how the flow is integrated", choices=("heun", "euler", "adaptive"), at_sampling=True)
    solver_steps: int = setting(
        10, "steps of the solver (heun: 2 network calls each)", low=1, high=1000, at_sampling=True
    )


@dataclass(frozen=True)
class AdversarialSettings:
    """What all GANs of images have."""

    loss: str = setting(
        "relativistic",
        "what generator and critic play for",
        choices=("cross-entropy", "least-squares", "hinge", "wasserstein", "relativistic"),
    )
    penalty: str = setting(
        "zero-centred",
        "of the critic's gradient: at real and generated images towards 0, or between them towards 1",
        choices=("none", "zero-centred", "one-centred"),
    )
    penalty_weight: float = setting(
        1.0,
        "weight of the gradient penalty at first, for 28 x 28 numbers; more for more",
        low=0,
        high=1000,
    )
    penalty_end: float = setting(0.2, "share of it at the end of the run", low=0, high=1)
    penalty_interval: int = setting(4, "steps between penalties, whose weight grows as much", low=1, high=64)
    critic_steps: int = setting(1, "steps of the critic for each of the generator", low=1, high=50)
    width: int = setting(48, "channels at the finest level; doubled at the next", low=8, high=1024)
    latent: int = setting(64, "dimensions of the latent vector", low=1, high=1024)
    augment: float = setting(
        0.0, "share of images that the critic sees shifted, recoloured or cut out; for small sets", low=0, high=1
    )
    truncation: float = setting(
        1.0, "how far latent vectors may stray; below 1: safer and more alike", low=0.05, high=1, at_sampling=True
    )


@dataclass(frozen=True)
class R3GANSettings(AdversarialSettings):
    """The modern GAN: pairs of real and generated images, two gradient penalties, no norms; the fastest samples."""

    network: str = setting(
        "residual",
        "residual: no norms; dcgan: the tutorial's, with BatchNorm",
        choices=("residual", "dcgan"),
    )


@dataclass(frozen=True)
class DCGANSettings(R3GANSettings):
    """The tutorial's GAN: transposed convolutions, BatchNorm, cross-entropy; and a penalty, against collapse."""

    network: str = setting("dcgan", **again(R3GANSettings, "network"))
    loss: str = setting("cross-entropy", **again(R3GANSettings, "loss"))


@dataclass(frozen=True)
class WGANGPSettings(R3GANSettings):
    """Wasserstein GAN with gradient penalty: several steps of a critic without norms for each of the tutorial's generator."""

    network: str = setting("dcgan", **again(R3GANSettings, "network"))
    loss: str = setting("wasserstein", **again(R3GANSettings, "loss"))
    penalty: str = setting("one-centred", **again(R3GANSettings, "penalty"))
    penalty_weight: float = setting(10.0, **again(R3GANSettings, "penalty_weight"))
    penalty_end: float = setting(1.0, **again(R3GANSettings, "penalty_end"))
    penalty_interval: int = setting(1, **again(R3GANSettings, "penalty_interval"))
    critic_steps: int = setting(3, **again(R3GANSettings, "critic_steps"))


@dataclass(frozen=True)
class PGGANSettings(AdversarialSettings):
    """Progressive growing: a GAN that starts at 4 x 4 pixels and doubles."""

    width: int = setting(
        16, "channels at the finest level; doubled at each coarser one, three times at most", low=4, high=1024
    )
    fade: float = setting(0.5, "share of a level's time in which it is faded in", low=0, high=1)


@dataclass(frozen=True)
class VAESettings:
    """Variational autoencoder: smooth pictures at once, a bound on their likelihood, reconstruction."""

    width: int = setting(16, "channels at the finest level; doubled at each coarser one", low=4, high=512)
    depth: int = setting(1, "residual blocks at each level", low=0, high=8)
    latent: int = setting(32, "dimensions of the latent vector", low=1, high=1024)
    likelihood: str = setting(
        "auto",
        "bernoulli: of bits drawn by brightness; logistic: of 256 levels; auto: the former for grey, the latter for colour",
        choices=("auto", "bernoulli", "logistic"),
    )
    warmup: float = setting(0.2, "share of the run over which the KL term grows to its weight", low=0, high=1)
    free_bits: float = setting(0.0, "nats that each latent dimension costs at least", low=0, high=10)
    prior: str = setting(
        "fitted",
        "fitted: a Gaussian for each class, found after training; normal: as assumed",
        choices=("fitted", "normal"),
    )


@dataclass(frozen=True)
class VQVAESettings:
    """Pictures as small grids of codes, drawn by a Transformer: reconstruction and sampling in two phases."""

    width: int = setting(32, "channels at the finest level; doubled at each coarser one", low=4, high=512)
    depth: int = setting(1, "residual blocks at each level", low=0, high=8)
    quantiser: str = setting(
        "fsq", "fsq: rounding to fixed levels; ema: a codebook that follows the encoder", choices=("fsq", "ema")
    )
    codes: int = setting(240, "different codes; with fsq 64, 240, 1000 or 4375", low=2, high=16384)
    commitment: float = setting(0.25, "ema: weight that keeps the encoder near its codes", low=0, high=10)
    prior_width: int = setting(128, "size of the Transformer's vectors", low=8, high=4096)
    prior_depth: int = setting(3, "layers of the Transformer", low=1, high=48)
    temperature: float = setting(1.0, "below 1: likelier codes, samples more alike", low=0.05, high=2, at_sampling=True)


@dataclass(frozen=True)
class PixelARSettings:
    """One pixel after another: exact likelihoods, the slowest samples."""

    levels: int = setting(
        256, "values of a pixel: 2, 4, 8, 16, 64 or 256; at 2 they are drawn by brightness", low=2, high=256
    )
    patch: int = setting(2, "side of the squares that are drawn together", low=1, high=8)
    width: int = setting(64, "features of the causal convolutions", low=4, high=1024)
    hidden: int = setting(128, "units of the head that draws the pixels of a square", low=4, high=4096)
    depth: int = setting(5, "causal convolutions", low=1, high=32)
    temperature: float = setting(
        1.0, "below 1: likelier pixels, samples more alike", low=0.05, high=2, at_sampling=True
    )


@dataclass(frozen=True)
class DrawingSettings:
    """Which of the likely tokens a sample is made of."""

    length: int = setting(256, "tokens of a sample at most", low=1, high=1_000_000, at_sampling=True)
    temperature: float = setting(1.0, "below 1: likelier tokens", low=0.01, high=5, at_sampling=True)
    top_k: int = setting(0, "only the likeliest tokens are drawn; 0: all", low=0, high=1_000_000, at_sampling=True)
    top_p: float = setting(
        1.0, "only the likeliest tokens that have this probability together", low=0, high=1, at_sampling=True
    )
    min_p: float = setting(
        0.0, "only tokens with this share of the likeliest one's probability", low=0, high=1, at_sampling=True
    )
    repetition: float = setting(
        1.0, "above 1: tokens that were drawn lately come less", low=1, high=10, at_sampling=True
    )
    guidance: float = setting(
        1.0, "how far texts are pushed towards their conditions; 1: not", low=0, high=20, at_sampling=True
    )


@dataclass(frozen=True)
class GaussianSettings:
    """A Gaussian of each class over principal components of the pixels: what other models must be better than."""

    components: int = setting(64, "principal components of the pixels", low=1, high=4096)


@dataclass(frozen=True)
class GPTSettings(DrawingSettings):
    """A Transformer that writes one token after another."""

    width: int = setting(128, "size of the vectors; made a multiple of `head`", low=8, high=16384)
    depth: int = setting(4, "blocks of attention and hidden layer", low=1, high=128)
    head: int = setting(64, "size of one attention head, even", low=2, high=256)
    key_heads: int = setting(0, "heads of keys and values that the others share; 0: one for each", low=0, high=128)
    mixing: int = setting(2, "places just before that each block mixes in, beside attention; 0: none", low=0, high=64)
    counts: int = setting(
        6, "tokens of the longest n-gram whose counts speak beside the network; 0: none", low=0, high=12
    )
    rank: int = setting(
        0, "with --start: size of low-rank adapters, the only weights that move; 0: all weights move", low=0, high=1024
    )
    alpha: float = setting(16.0, "how much adapters say, divided by their rank", low=0, high=10_000)


@dataclass(frozen=True)
class PretrainedSettings(DrawingSettings):
    """A causal language model of a local folder, tuned on your texts: adapters (LoRA) or all weights. Needs the extra hub."""

    folder: str = setting("", "folder of the model (config.json, *.safetensors), or hub:owner/name to download it")
    rank: int = setting(
        8, "size of low-rank adapters, the only weights that move; 0: all weights move", low=0, high=1024
    )
    alpha: float = setting(16.0, "how much adapters say, divided by their rank", low=0, high=10_000)


@dataclass(frozen=True)
class NGramSettings:
    """Counts of what followed the last few tokens: learned in seconds, the floor for every other text model."""

    order: int = setting(6, "tokens of the longest n-gram", low=1, high=12)
    length: int = setting(256, "tokens of a sample at most", low=1, high=1_000_000, at_sampling=True)
