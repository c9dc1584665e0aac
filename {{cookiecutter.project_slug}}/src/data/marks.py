"""The words that files and requests use for "no value", true and false, and numbers."""

# What stands for "no value" in files. Unlike in pandas, "None" is not among them for
# categories: it often is an answer ("no disorder"), and would be lost as a class.
MISSING_MARKS = (
    *("", "?", "NA", "N/A", "n/a", "#N/A", "<NA>"),
    *("NaN", "nan", "NaT", "NULL", "null"),
)
NONE_WORDS = ("None", "none", "NONE")

# The word for true, the word for false: in lower case, as files spell answers.
BOOLEAN_WORDS = (
    *(("true", "false"), ("yes", "no"), ("y", "n"), ("t", "f")),
    *(("1", "0"), ("1.0", "0.0")),
)
NUMBER_PATTERN = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
