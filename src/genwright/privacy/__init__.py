"""Privacy: what a guarantee costs (`events`, `accounting`), what was paid (`ledger`), and the noise (`mechanisms`)."""
