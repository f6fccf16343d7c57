"""What scripts/measure-weights measures, and tables.py shows, in the tables' order. Run, it prints a line for each.
Pure Python."""

# Column, pack, part, options of `facelab evaluate`. Results: COLUMN_PACK_PART.json.
EVALUATED = [
    ("gender", "fairface", "val", "--groups gender,race7,age9"),
    ("gender", "fairface", "test", "--groups gender,race7,age9"),
    ("gender", "lfw", "test", "--groups gender"),
    ("gender", "utkface", "test", "--groups gender,race5"),
    ("gender", "london", "all", "--groups gender,ethnicity --corrupted"),
    ("age", "fairface", "val", "--groups gender,race7,age9"),
    ("age", "fairface", "test", "--groups gender,race7,age9"),
    ("emotion", "ferplus", "val", ""),
    ("emotion", "lfw", "test", "--column emotion_mux"),
    ("emotion", "london", "all", "--groups gender --corrupted"),
]

_WHO = "--column identity --no-sources"
_STRANGERS = f"{_WHO} --classes 12 --shots 1,5 --strangers --methods default,identity,features-logistic,hog-logistic"
_OTHERS = "--methods default,features,sources,features-logistic,both-logistic,hog-logistic"
_FIVE = "--column votes --labels neutral,happiness,surprise,sadness,anger --pool 60 --shots 5,20"
# Name, what the table calls it, task, pack, options of `facelab fewshot`. Results: few/NAME.json.
FEW = [
    ("who_folds", "who, LFW, 50 people, four folds", "who", "lfw", f"{_WHO} --folds id_fold --methods default,identity"),
    ("who_lfw", "who, LFW, 12 people", "who", "lfw", f"{_STRANGERS} --least 20"),
    ("who_orl", "who, ORL, 12 people", "who", "orl", _STRANGERS),
    ("smile", "smile or neutral, London", "smile", "london", f"--column emotion --shots 1,5,20 --covered {_OTHERS}"),
    ("emotion", "five emotions, FER+ val", "feeling", "ferplus", f"{_FIVE} {_OTHERS}"),
    ("emotion_without", "the same without the column emotion", "feeling", "ferplus", f"{_FIVE} --without emotion {_OTHERS}"),
    ("gender", "gender, LFW", "sex", "lfw", f"--column gender --pool 80 --shots 5,20 --covered {_OTHERS}"),
]

if __name__ == "__main__":
    for row in EVALUATED:
        print("evaluate", *row)
    for name, _, *row in FEW:
        print("few", name, *row)
