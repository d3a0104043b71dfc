"""Makes the pictures of the review page in docs/tables/screens from the embedded libraries.

Run it from the root of the repository: python docs/extensions/tables_screenshots.py
"""

import shutil
import tempfile
import threading
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from domains.tables.project.folder import Project
from domains.tables.project.steps.align import align
from domains.tables.project.steps.block import block
from domains.tables.project.steps.cluster import cluster
from domains.tables.project.steps.init import init
from domains.tables.project.steps.match import match
from domains.tables.project.steps.resolve import resolve
from domains.tables.project.steps.review import open_review

FOLDER = Path("docs/tables/screens")


def project(folder: Path) -> Project:
    """The libraries after all steps but the review."""
    made, _ = init(folder / "libraries", ["libraries"])
    for step in (align, block, match, cluster, resolve):
        step(made)
    return Project.open(made.path)


def main() -> None:
    """One picture for each view."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        review = open_review(project(Path(folder)), port=0, user="reader")
        threading.Thread(target=review.run, daemon=True).start()
        browser = play.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": 1200, "height": 760})
        page.goto(review.address)
        base = page.url.rstrip("/")

        def shot(name: str) -> None:
            page.wait_for_timeout(500)
            path = FOLDER / f"{name}.png"
            page.screenshot(path=path)
            with Image.open(path) as picture:  # coverage, or small marks lose their colour to the greys of the text
                small = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
            small.save(path, optimize=True)

        shot("overview")
        page.goto(f"{base}/queue")
        shot("pair")
        page.keyboard.press("y")  # two spellings of one bookshop: right
        page.wait_for_timeout(800)
        page.goto(f"{base}/sets")
        page.click("table a >> nth=0")
        shot("set")
        page.goto(f"{base}/conflicts")
        for link in page.eval_on_selector_all("table a", "links => links.map(link => link.href)"):
            page.goto(link)
            if page.locator("tbody tr").count() > 2:  # several values, and not two that stand even
                break
        shot("conflict")
        page.goto(f"{base}/rows")
        shot("rows")
        page.goto(f"{base}/decisions")
        shot("decisions")
        browser.close()


if __name__ == "__main__":
    main()
