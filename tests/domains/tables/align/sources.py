"""Small sources and the real ones that several tests align."""

from types import SimpleNamespace

import pandas as pd


def source(name, /, **columns):
    return SimpleNamespace(name=name, frame=pd.DataFrame({k: pd.Series(v, dtype="string") for k, v in columns.items()}))


def read(path):
    return pd.read_csv(path, dtype="string", keep_default_na=False, na_values=[""])


def stadiums(folder):
    names = [f"stadiums_{i}" for i in range(4)]
    return [SimpleNamespace(name=n, frame=read(folder / "tables/alite_stadiums" / f"{n}.csv")) for n in names]


def pair_sides(path):
    frame = pd.read_parquet(path).astype("string").replace("", pd.NA)
    sides = []
    for side in ("left", "right"):
        its = frame[[c for c in frame if c.startswith(f"{side}_")]]
        sides.append(SimpleNamespace(name=side, frame=its.rename(columns=lambda c: c.partition("_")[2])))
    return sides


def chicago(folder):
    frame = read(folder / "tables/chicago_early_childhood/chicago_early_childhood.csv")
    groups = frame.drop(columns=["cluster_id", "record_id"]).groupby("source")
    return [SimpleNamespace(name=name, frame=its.drop(columns="source")) for name, its in groups]
