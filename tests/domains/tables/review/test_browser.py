"""A real session in a headless browser: merges, splits, undoes, resolves a conflict, and outlives a killed server."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from domains.tables.project.steps.cluster import cluster
from tests.domains.tables.project.small_project import chained_project, small_project

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run"]  # fmt: skip
SERVE = (
    "import sys\nfrom domains.tables.project.folder import Project\n"
    "from domains.tables.project.steps.review import open_review\n"
    "review = open_review(Project.open(sys.argv[1]), user='browser')\nprint(review.address, flush=True)\nreview.run()\n"
)

pytestmark = pytest.mark.slow


class Server:
    def __init__(self, project):
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(project.path)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self.address = self.process.stdout.readline().strip()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"there is no Chromium at {CHROMIUM}")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A project and its server, for tests that leave no trace that matters to the others."""
    project = small_project(tmp_path_factory.mktemp("shared"))
    server = Server(project)
    yield project, server
    server.kill()


class Window:
    """One tab; whatever the page complains about fails the test."""

    def __init__(self, browser, **options):
        self.context = browser.new_context(viewport={"width": 1100, "height": 800}, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.complaints = []
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, address):
        # the server is there as soon as it has said its address, but reads the project first
        for _ in range(100):
            try:
                self.page.goto(address)
            except Exception as error:
                if "ERR_CONNECTION" not in str(error):
                    raise
                time.sleep(0.1)
            else:
                return

    def press_and_load(self, key):
        with self.page.expect_navigation():
            self.page.keyboard.press(key)

    def status(self):
        return self.page.locator("#status").inner_text()


@pytest.fixture
def window(browser):
    window = Window(browser)
    yield window
    window.context.close()


def lines(project):
    return [json.loads(line) for line in project.decisions.path.read_text("utf-8").splitlines()]


def test_session(window, tmp_path):
    project = small_project(tmp_path)
    server = Server(project)
    page = window.page
    try:
        window.open(server.address)
        base = page.url.rstrip("/")
        assert "token" not in page.url
        assert page.locator("#sets").inner_text() == "5"

        # the slider tells at once, and nothing is written by moving it
        page.locator("#threshold").focus()
        before = page.locator('[data-field="sets"]').inner_text()
        for _ in range(8):
            page.keyboard.press("ArrowRight")
        assert page.locator('[data-field="threshold"]').inner_text() == "0.90"
        assert page.locator('[data-field="sets"]').inner_text() != before
        assert not project.decisions.path.exists()

        # a pair by keyboard, then its undo, then the other answer
        with page.expect_navigation():
            page.get_by_role("link", name="Start with the most useful pair").click()
        assert page.url.endswith("/pair/2/9")
        window.press_and_load("y")
        assert [one["answer"] for one in lines(project)] == ["yes"]
        assert "Saved" in window.status()
        window.press_and_load("z")
        assert page.url.endswith("/pair/2/9")
        assert "Undone: pair" in window.status()
        window.press_and_load("n")
        assert lines(project)[-1]["answer"] == "no"

        # merge with the suggested neighbour, by keyboard
        page.goto(f"{base}/set/3")
        window.press_and_load("m")
        assert page.locator("h1").inner_text().endswith("3 rows")
        assert lines(project)[-1]["kind"] == "merge"

        # split: choose by keyboard, then by dragging
        page.locator('input[value="3"]').focus()
        page.keyboard.press("Space")
        assert page.locator("#chosen").inner_text() == "3 (1 of 3)"
        window.press_and_load("s")
        assert lines(project)[-1]["kind"] == "split"
        page.goto(f"{base}/set/0")
        page.locator('tr[data-row="7"]').drag_to(page.locator("#drop"))
        assert page.locator("#chosen").inner_text() == "7 (1 of 3)"
        with page.expect_navigation():
            page.get_by_role("button", name=re.compile("Split off")).click()
        assert page.locator("h1").inner_text().endswith("2 rows")

        # a conflict: choose a value, then a rule for the column
        page.goto(f"{base}/conflict/1?column=phone")
        with page.expect_navigation():
            page.get_by_role("button", name="Choose 0228 77").click()
        assert page.locator("tr.chosen").inner_text().startswith("0228 77")
        page.locator("#rule-choice").select_option("longest")
        with page.expect_navigation():
            page.get_by_role("button", name="Apply this rule to the column").click()
        assert lines(project)[-1]["rule"] == "longest"

        # the server is killed in the middle of it; the page says so and nothing that was saved is lost
        saved = project.decisions.path.read_bytes()
        server.kill()
        assert window.complaints == []
        page.keyboard.press("z")
        page.locator("#problem:not([hidden])").wait_for()
        assert "does not answer, so this was not saved" in page.locator("#problem").inner_text()
        assert project.decisions.path.read_bytes() == saved
        with project.decisions.path.open("ab") as file:
            file.write(b'{"id":"half","time":"20')  # what a kill in the middle of a line leaves behind
        server = Server(project)
        window.complaints.clear()
        window.open(server.address)
        base = page.url.rstrip("/")
        assert "half-written and was ignored" in page.locator(".warnings").text_content()
        page.goto(f"{base}/decisions")
        assert page.locator("tbody tr").count() == len(saved.splitlines())
        page.goto(f"{base}/set/0")
        assert page.locator("h1").inner_text().endswith("2 rows")
        page.goto(f"{base}/conflict/1?column=phone")
        assert page.locator("tr.chosen").inner_text().startswith("0228 77")

        # everything can be undone, one after the other, down to the start
        page.goto(f"{base}/")
        for _ in range(20):
            if page.locator("#undo").is_disabled():
                break
            window.press_and_load("z")
            page.goto(f"{base}/")
        assert page.locator("#undo").is_disabled()
        assert page.locator("#sets").inner_text() == "5"
        assert project.decisions.path.read_bytes().startswith(saved)
        assert window.complaints == []
    finally:
        server.kill()


def test_an_undo_of_an_older_page_is_refused_with_a_message(window, tmp_path):
    project = small_project(tmp_path)
    server = Server(project)
    page = window.page
    try:
        window.open(server.address)
        base = page.url.rstrip("/")
        page.goto(f"{base}/pair/2/9")
        window.press_and_load("y")
        cluster(project)  # another program works on the project
        newer = window.context.new_page()
        newer.goto(f"{base}/")
        assert "Out of date" in newer.inner_text("h1")
        with newer.expect_navigation():
            newer.locator("#reload").click()
        saved = project.decisions.path.read_bytes()
        page.keyboard.press("z")
        page.locator("#problem:not([hidden])").wait_for()
        assert "this page is older than the sets; load it again Nothing was changed." in page.inner_text("#problem")
        assert project.decisions.path.read_bytes() == saved
        with page.expect_navigation():
            page.locator("#reload").click()
        window.press_and_load("z")
        assert "Undone: pair" in window.status()
        assert [one["kind"] for one in lines(project)] == ["pair", "undo"]
    finally:
        server.kill()


def test_ten_thousand_rows(window, tmp_path):
    project = chained_project(tmp_path, 10_000)
    server = Server(project)
    page = window.page
    try:
        window.open(server.address)
        base = page.url.rstrip("/")
        for address in ("/set/0", "/rows"):
            page.goto(base + address)
            page.locator("tr[data-row='0']").wait_for()
            assert page.locator("table").first.get_attribute("aria-rowcount") == "10001"
            assert page.locator("tbody tr").count() < 200
            page.locator(".virtual").evaluate("place => { place.scrollTop = place.scrollHeight; }")
            page.locator("tr[data-row='9999']").wait_for()
            assert page.locator("tbody tr").count() < 200
        page.locator("#search").fill("thing 77")
        page.locator("#found", has_text="111 rows").wait_for()
        page.locator("#search").fill("nowhere")
        page.get_by_text("No rows hold this text").wait_for()

        # rows that are out of sight stay chosen
        page.goto(f"{base}/set/0")
        page.locator('input[value="1"]').check()
        page.locator(".virtual").evaluate("place => { place.scrollTop = place.scrollHeight; }")
        page.locator('input[value="9999"]').check()
        assert page.locator("#chosen").inner_text() == "1, 9999 (2 of 10000)"
        page.locator(".virtual").evaluate("place => { place.scrollTop = 0; }")
        page.locator('input[value="1"]').wait_for()
        assert page.locator('input[value="1"]').is_checked()
        with page.expect_navigation():
            page.keyboard.press("s")
        assert "9998 rows" in page.locator("h1").inner_text()
        assert window.complaints == []
    finally:
        server.kill()


def _other_site(address):
    return f"""<!doctype html><body><script>
    const outcome = [];
    const tries = [
      fetch("{address}/api/undo", {{method: "POST", credentials: "include", body: "{{}}"}}),
      fetch("{address}/api/undo", {{method: "POST", credentials: "include", mode: "no-cors", body: "{{}}"}}),
      fetch("{address}/api/rows", {{credentials: "include"}}),
    ];
    Promise.allSettled(tries).then((all) => {{
      document.title = all.map((one) => one.status === "fulfilled" && one.value.type !== "opaque").join();
    }});
    </script>"""


def test_another_site_in_the_same_browser_can_do_nothing(window, shared):
    project, server = shared
    page = window.page
    window.open(server.address)
    base = page.url.rstrip("/")
    page.goto(f"{base}/pair/2/9")
    window.press_and_load("y")
    other = window.context.new_page()
    answer = {"body": _other_site(base), "content_type": "text/html"}
    window.context.route("http://evil.example/*", lambda route: route.fulfill(**answer))
    other.goto("http://evil.example/")
    other.wait_for_function("document.title !== ''")
    assert other.title() == "false,false,false"
    assert len(lines(project)) == 1
    cookie = window.context.cookies()[0]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"


def _overflow(page):
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


CONTRAST = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const linear = (v) => (v <= 0.03928 * 255 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  const light = (colour) => colour.slice(0, 3).map(linear)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const node of document.querySelectorAll("main *, header *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || node.closest("svg") || node.closest(":disabled") || !node.offsetWidth) continue;
    const [one, two] = [light(parse(getComputedStyle(node).color)), light(behind(node))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (two + 0.05);
    if (ratio < 4.5) found.push(`${node.tagName} ${node.textContent.trim()}: ${ratio.toFixed(2)}`);
  }
  return found;
}"""


def test_zoom_contrast_and_focus(window, shared):
    page = window.page
    window.open(shared[1].address)
    base = page.url.rstrip("/")
    page.set_viewport_size({"width": 550, "height": 400})  # a window of 1100 at 200 % zoom
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for address in ("/", "/pair/2/9", "/set/0", "/conflicts", "/conflict/0?column=name", "/rows", "/decisions"):
            page.goto(base + address)
            assert _overflow(page) <= 0, address
            assert page.evaluate(CONTRAST) == [], address
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.className") == "skip"
            page.keyboard.press("Tab")
            page.keyboard.press("Tab")
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert window.complaints == []
