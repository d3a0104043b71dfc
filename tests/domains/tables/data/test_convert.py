"""Converters on small raw files of the public layout, and back from the stored sets to raw lines and forth again."""

import pandas as pd
import pytest
from pyarrow import parquet

from core.data import catalogue, content_digest
from core.errors import UserError
from core.registry import resolve
from domains.tables.data import convert


def _entry(name):
    """From the catalogue of the domain."""
    return next(entry for entry in catalogue() if (entry.domain, entry.name) == ("tables", name))


def rows(path):
    return path.read_text(encoding="utf-8").splitlines()


def test_text_tables_keep_every_cell(tmp_path):
    (tmp_path / "raw_gold.csv").write_bytes(b'a,b\r\n"x, y",007\r\nNA,\r\n')
    convert.convert_text_table(tmp_path, tmp_path / "gold.csv")
    assert (tmp_path / "gold.csv").read_bytes() == b'a,b\n"x, y",007\nNA,\n'


def test_chicago_names_no_persons(tmp_path):
    (tmp_path / "raw_c.csv").write_text(
        "Id,Source,Site name,Director,Email Address,Column,True Id\n1,a,Oz,Ann,a@b,,7\n"
    )
    convert.convert_chicago(tmp_path, tmp_path / "c.csv")
    assert rows(tmp_path / "c.csv") == ["record_id,source,Site name,cluster_id", "1,a,Oz,7"]


def test_clusters_of_citations_are_components_numbered_by_smallest_id(tmp_path):
    (tmp_path / "raw_cora.csv").write_text("Entity Id|title|\n0|a|\n1|b|\n2|c|\n3|d|\n")
    (tmp_path / "raw_cora_gt.csv").write_text("3|1\n")
    convert.convert_citations(tmp_path, tmp_path / "cora.csv")
    assert rows(tmp_path / "cora.csv") == ["Entity Id,title,cluster_id", "0,a,0", "1,b,1", "2,c,2", "3,d,1"]
    (tmp_path / "raw_cora_gt.csv").write_text("3|9\n")
    with pytest.raises(UserError, match=r"raw_cora_gt\.csv names a row that raw_cora\.csv does not have"):
        convert.convert_citations(tmp_path, tmp_path / "cora.csv")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_persons(tmp_path, ending):
    (tmp_path / "raw_febrl_1.csv").write_text(
        "rec_id, given_name, postcode\nrec-7-org, ann, 0800\nrec-7-dup-0, , 0801\n"
    )
    target = tmp_path / f"febrl_1.{ending}"
    convert.convert_persons(tmp_path, target)
    frame = (
        pd.read_csv(target, dtype="str") if ending == "csv" else pd.read_parquet(target).astype({"cluster_id": "str"})
    )
    assert frame.columns.tolist() == ["rec_id", "given_name", "postcode", "cluster_id"]
    assert frame.fillna("").to_numpy().tolist() == [["rec-7-org", "ann", "0800", "7"], ["rec-7-dup-0", "", "0801", "7"]]
    (tmp_path / "raw_febrl_1.csv").write_text("rec_id, x\n7, y\n")
    with pytest.raises(UserError, match="row 1 has no rec_id of the form"):
        convert.convert_persons(tmp_path, target)


def test_clean_flights_stand_in_the_order_of_the_dirty_ones(tmp_path):
    (tmp_path / "raw_flights_dirty.csv").write_text("src,flight,t\na,F1,\nb,F1,2\n")
    (tmp_path / "raw_flights_clean.csv").write_text("src,flight,t\nb,F1,2\na,F1,1\n")
    for name in ("flights_dirty.csv", "flights_clean.csv"):
        convert.convert_claims(tmp_path, tmp_path / name)
    assert rows(tmp_path / "flights_dirty.csv") == ["src,flight,t", "a,F1,", "b,F1,2"]
    assert rows(tmp_path / "flights_clean.csv") == ["src,flight,t", "a,F1,1", "b,F1,2"]


def test_pairs_need_a_part(tmp_path):
    with pytest.raises(UserError, match=r"has none of raw_x_train\.txt"):
        convert.convert_pairs(tmp_path, tmp_path / "x.parquet")


def ditto_line(row):
    def side(prefix):
        return " ".join(f"COL {n.removeprefix(prefix)} VAL {v}" for n, v in row.items() if n.startswith(prefix))

    return f"{side('left_')}\t{side('right_')}\t{row['label']}\n"


@pytest.mark.data
@pytest.mark.parametrize("name", ["structured_beer", "dirty_itunes_amazon", "structured_fodors_zagats"])
def test_pair_sets_come_out_of_their_own_lines(data_folder, tmp_path, name):
    stored = data_folder / "tables/er_magellan" / f"{name}.parquet"
    for part, its in pd.read_parquet(stored).groupby("split"):
        (tmp_path / f"raw_{name}_{part}.txt").write_text("".join(map(ditto_line, its.to_dict("records"))))
    target = tmp_path / f"{name}.parquet"
    convert.convert_pairs(tmp_path, target)
    assert content_digest(target) == content_digest(stored)
    assert parquet.read_schema(target).remove_metadata() == parquet.read_schema(stored).remove_metadata()


@pytest.mark.data
def test_persons_come_out_of_their_own_lines(data_folder, tmp_path):
    for number, ending in ((1, "csv"), (3, "parquet")):
        stored = data_folder / "tables/febrl" / f"febrl_dataset{number}.{ending}"
        read = pd.read_csv if ending == "csv" else pd.read_parquet
        frame = (read(stored, dtype="str") if ending == "csv" else read(stored)).drop(columns="cluster_id").fillna("")
        lines = [", ".join(frame.columns), *(", ".join(row) for row in frame.to_numpy())]
        (tmp_path / f"raw_{stored.stem}.csv").write_text("\n".join(lines) + "\n")
        convert.convert_persons(tmp_path, tmp_path / stored.name)
        assert content_digest(tmp_path / stored.name) == content_digest(stored)


@pytest.mark.data
def test_stadium_tables_are_stored_as_published(data_folder, tmp_path):
    entry = _entry("alite_stadiums")
    published = {raw.name.removeprefix("raw_"): raw.sha256 for raw in entry.raw}
    same = [file for file in entry.files if published[file.name] == file.sha256]
    assert len(same) == 4  # the others have other line ends
    for file in same:
        content = (data_folder / "tables/alite_stadiums" / file.name).read_bytes()
        (tmp_path / f"raw_{file.name}").write_bytes(content)
        resolve(entry.converter)(tmp_path, tmp_path / file.name)
        assert (tmp_path / file.name).read_bytes() == content
