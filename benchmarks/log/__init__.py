"""How the prediction log is read when it is long: windows, labels and queries, and the memory they take."""
