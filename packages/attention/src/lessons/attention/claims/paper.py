"""What the paper's figures show, as numbers."""

# Figure 2, read from the vectors of the drawing in the PDF (v7): BLEU on news-test-2014 by length
# of the sentence, to a tenth of a point.
LENGTHS = (0, 1, 2, 5, 10, 14, 20, 25, 29, 35, 40, 44, 50, 55, 59)
CURVES = {
    "search-50": (12.6, 15.9, 18.3, 20.8, 24.7, 26.1, 26.9, 27.6, 27.8, 26.5, 26.8, 27.1, 26.2,
                  26.4, 26.4),
    "search-30": (17.2, 18.8, 20.5, 21.4, 25.2, 26.6, 27.0, 26.1, 24.0, 19.3, 15.4, 13.1, 9.7,
                  8.1, 7.6),
    "encdec-50": (15.6, 17.3, 17.5, 18.6, 21.1, 22.4, 22.5, 20.9, 19.6, 16.8, 13.9, 11.6, 9.0,
                  7.5, 6.5),
    "encdec-30": (13.5, 17.1, 17.3, 19.5, 21.4, 21.9, 20.7, 18.4, 15.2, 9.9, 6.5, 5.1, 3.3, 1.9,
                  1.6),
}  # fmt: skip
# Mean of the drawing's points, one for each length, within our bins.
BINS = {
    "search-50": {"11–20": 26.1, "31–50": 26.7},
    "search-30": {"11–20": 26.4, "31–50": 15.5},
    "encdec-50": {"11–20": 22.1, "31–50": 13.6},
    "encdec-30": {"11–20": 21.3, "31–50": 7.1},
}
# Figure 3, measured in the pixels of its four pictures, whose grey is the weight: of how many words
# the largest lies on the word of FIGURE_3 below; Kendall's τ of the mean places looked at.
OWN_WORD = {"a": (13, 14), "b": (13, 16), "c": (15, 18), "d": (9, 16)}
TAU = {"a": 0.82, "b": 0.90, "c": 0.96, "d": 0.85}
# Table 2: updates (10⁵), passes, hours; the starred model last.
TABLE_2 = {
    "encdec-30": (8.46, 6.4, 109), "encdec-50": (6.00, 4.5, 108), "search-30": (4.71, 3.6, 113),
    "search-50": (2.88, 2.2, 111), "search-50*": (6.67, 5.0, 252),
}  # fmt: skip
# Figure 3, read by its words: for each French word the English one that it renders, from 1 on.
FIGURE_3 = {
    "a": (1, 2, 3, 4, 7, 6, 5, 8, 8, 9, 10, 11, 12, 13),
    "b": (1, 2, 3, 4, 5, 6, 8, 7, 9, 10, 11, 12, 13, 14, 14, 15),
    "c": (1, 1, 2, 3, 4, 5, 6, 7, 7, 9, 8, 10, 11, 12, 12, 14, 13, 15),
    "d": (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 10, 14, 14, 12, 13, 15),
}
