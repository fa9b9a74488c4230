"""Every page of the console, over a real project: it is there, whole, readable by everybody, and asks nobody else."""

import json
import re
from datetime import timedelta
from importlib.resources import files
from urllib.parse import urlencode

import msgspec
import pytest

from modelyard.monitoring import GeneratedArm, GeneratedSeen, Rate
from modelyard.operations import Nothing, audits, carry_out, workspace
from modelyard.pipelines import RUN_TAG, newest_runs
from modelyard.rollout import Asked
from modelyard.tracking.tracker import Point

from .checking import Reader, colours, contrast, flaws
from .conftest import Console
from .site import Browser, shadowed

PAGES = (
    "/", "/deployments/shop", "/models", "/models/purchase", "/models/purchase/1", "/models/purchase/compare",
    "/rollouts", "/rollouts/shop", "/alerts", "/drift", "/drift/shop", "/loop", "/loop/purchase", "/runs",
    "/runs/compare", "/features", "/judging", "/audit", "/settings", "/sign-in", "/api/docs", "/features/skew/shop",
    "/drift/shop?from=2026-01-05T12:00&to=2026-01-19T12:00", "/drift/shop?from=yesterday",
)  # fmt: skip
CSS = files("modelyard.console.pages").joinpath("static", "console.css").read_text()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_whole_and_for_everybody(console: Console, path: str) -> None:
    """Labels, headings in order, landmarks, ids once; no script in the page, nothing from elsewhere."""
    answer = console.browser.get(path)
    assert answer.status == 200
    assert list(flaws(answer.text)) == []


@pytest.mark.parametrize("path", [each for each in PAGES if each != "/deployments/shop"])
def test_a_page_of_a_project_without_a_past_is_whole_too(fresh: Console, path: str) -> None:
    """Nothing deployed, nothing judged, nothing fired: each page says so, most of them with a command."""
    answer = fresh.browser.get(path)
    assert answer.status == 200
    assert list(flaws(answer.text)) == []


def test_the_checks_of_pages_find_what_they_look_for() -> None:
    """A page with every flaw has every flaw told."""
    page = (
        "<html><h1>One</h1><h1>Two</h1><h3 id=a>Three</h3><p id=a onclick='x()'><input><a href='https://cdn'></a></p>"
        "<script>alert(1)</script><table></table><style>@import 'x'</style></html>"
    )
    told = " ".join(flaws(page))
    for flaw in (
        "unlabelled", "without a name: a", "no language", "no main", "2 headings", "skip a level", "twice",
        "no caption",        "a script stands", "p has onclick", "a leads elsewhere", "a style leads",
    ):  # fmt: skip
        assert flaw in told, flaw


def test_headers_let_no_script_in_and_nothing_out(console: Console) -> None:
    """Scripts come from the console alone, whatever is written into a page."""
    headers = console.browser.get("/").headers
    policy = dict(each.strip().split(" ", 1) for each in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert headers["x-content-type-options"] == "nosniff"


def test_files_come_from_the_wheel_under_their_digest(console: Console) -> None:
    """What a page loads is there, may be kept for ever, and is gone under another digest."""
    page = Reader(console.browser.get("/").text)
    scripts = [each["src"] for each in page.of("script") if "src" in each]
    wanted = [*scripts, page.of("html")[0]["data-plotly"], *(each["href"] for each in page.of("link"))]
    assert [each.rpartition("/")[2] for each in wanted] == ["console.js", "plotly.js", "icon.svg", "console.css"]
    for each in wanted:
        answer = console.browser.get(each)
        assert answer.status == 200
        assert "immutable" in answer.headers["cache-control"]
    assert "Plotly" in console.browser.get(wanted[1]).text[:200_000]
    assert console.browser.get("/static/000000000000/console.js").status == 404
    assert console.browser.get("/static/000000000000/..%2fconsole.css").status == 404


TEXTS = {
    "page": ("ink", "soft", "accent"),
    "panel": ("ink", "soft", "accent", "good", "bad", "warn", "busy"),
    "raised": ("ink", "soft", "accent"),
    "plain-pale": ("ink", "soft", "accent"),
    "good-pale": ("good",), "bad-pale": ("bad",), "warn-pale": ("warn", "ink", "soft"), "busy-pale": ("busy",),
    "accent": ("on-accent",), "good": ("panel",), "bad": ("panel",),
}  # fmt: skip
"""Which colours of text stand on which."""


@pytest.mark.parametrize("theme", ["light", "dark", "dark by the system"])
def test_every_text_can_be_read_on_what_it_stands_on(theme: str) -> None:
    """WCAG AA: 4.5 to 1 for text, 3 to 1 for what is drawn and for focus."""
    known = colours(CSS)[theme]
    pairs = [(text, below) for below, texts in TEXTS.items() for text in texts]
    poor = {pair: contrast(known[pair[0]], known[pair[1]]) for pair in pairs}
    assert {pair: ratio for pair, ratio in poor.items() if ratio < 4.5} == {}
    drawn = [*(each for each in known if each.startswith("series-")), "focus", "bad", "soft"]
    assert [each for each in drawn if contrast(known[each], known["panel"]) < 3] == []


def test_dark_is_the_same_by_choice_and_by_the_system() -> None:
    """The two blocks of the style sheet agree, and know every colour of the light one."""
    known = colours(CSS)
    assert known["dark"] == known["dark by the system"]
    assert set(known["dark"]) == set(known["light"])


def test_contrast_is_that_of_the_standard() -> None:
    """Black on white is 21 to 1; #767676 on white is the well-known grey that just passes."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


def test_the_overview_tells_version_quality_drift_and_alerts(console: Console) -> None:
    """What is live since when, the metric beside its baseline, the drifted feature with its direction, the alert."""
    text = console.browser.get("/").text
    window = console.project.monitors.latest("shop")
    assert window is not None
    assert "pages" in window.drifted
    assert 'href="/models/purchase/1"' in text
    assert f"{window.performance['auc']:.3f}" in text
    assert f"{window.baseline['auc']:.3f}" in text
    assert re.search(r"pages</a>.*?▲ \+\d", text, re.DOTALL)
    assert "the data drift score is" in text
    assert "Version 2 is on its way" in text


def test_charts_carry_their_numbers_and_words_for_who_does_not_see_them(console: Console) -> None:
    """Figures are JSON in the page; each plot is named."""
    page = Reader(console.browser.get("/rollouts/shop").text)
    figures = [json.loads(each) for each in page.scripts if each.strip()]
    assert [each["y_title"] for each in figures] == ["share of the traffic", "e-value"]
    names = [each["name"] for each in figures[1]["data"]]
    assert names == ["for taking over", "may take over at 20", "for going back", "goes back at 400"]
    plots = [each for each in page.of("div") if each.get("class") == "plot"]
    assert all(each["role"] == "img" and each["aria-label"] for each in plots)


def test_weights_are_steps_in_time_up_to_the_last_look(console: Console) -> None:
    """Live alone, then the canary's tenth beside it; the last step lasts until the rollout was looked at."""
    page = Reader(console.browser.get("/rollouts/shop").text)
    live, canary = json.loads(page.scripts[0])["data"]
    assert live["y"] == [1.0, 0.9, 0.9]
    assert canary["y"] == [0.0, 0.1, 0.1]
    rollout = console.project.rollouts.state("shop")
    assert rollout is not None
    assert live["x"][-1] == rollout.looked_at


def test_drift_is_shown_feature_by_feature_for_any_window(console: Console) -> None:
    """The features in the order in which they matter, values beside the reference, windows to choose from."""
    text = console.browser.get("/drift/shop").text
    figures = [json.loads(each) for each in Reader(text).scripts if each.strip()]
    assert len(figures) == 4  # the predictions and three features
    for figure in figures:
        assert [sum(each["y"]) for each in figure["data"]] == [pytest.approx(1, abs=0.01)] * 2
    start = re.search(r'<option value="([^"]+)"', text)
    assert start is not None
    assert console.browser.get(f"/drift/shop?window={start[1].replace('+', '%2B')}").status == 200
    missing = console.browser.get("/drift/shop?window=1999-01-01")
    assert missing.status == 404
    assert "modelyard monitor run" in missing.text


def test_a_run_is_shown_step_by_step_with_its_logs(console: Console) -> None:
    """State, time, cache, result and log of each step, and the graph."""
    (run, *_), _ = newest_runs(console.project.records)
    text = console.browser.get(f"/runs/{run.id}").text
    assert list(flaws(text)) == []
    assert "<svg" in text
    assert "auc" in text
    assert console.browser.get(f"/runs/{run.id}/log/train").status == 200
    assert console.browser.get(f"/runs/{run.id}/log/nosuch").status == 404
    assert console.browser.get("/runs/nosuch").status == 404
    both = console.browser.get(f"/runs/compare?r.{run.id}=on&r.{run.id}=on")
    assert "Tick two runs" in both.text


def test_a_version_has_its_card_its_lineage_and_its_comparison(console: Console) -> None:
    """The card is a page of its own; versions stand side by side with what differs marked."""
    assert "shop team" in console.browser.get("/models/purchase/1/card").text
    text = console.browser.get("/models/purchase/compare?v.1=on&v.2=on&metric=auc").text
    assert ">v2</a>" in text
    assert "only_here <span" in text


def test_the_audit_record_is_read_backwards_a_page_at_a_time(console: Console) -> None:
    """The newest first; older ones behind a link; filters as on the command line."""
    text = console.browser.get("/audit").text
    head = console.project.audit.head().number
    numbers = [int(each) for each in re.findall(r'<tr><td class="num">(\d+)</td>', text)]
    assert numbers == list(range(head, 0, -1))[:50]
    some = console.browser.get("/audit?action=model.approv*").text
    assert len(re.findall(r'<tr><td class="num">', some)) == 2
    page = audits.AuditPage(limit=3, newest=True, before=5)
    assert [each["number"] for each in carry_out(audits.audit_list, console.project, page)] == [4, 3, 2]


def test_settings_say_where_they_come_from_and_mask_secrets(console: Console) -> None:
    """Each setting with its origin, as `modelyard config show` has them."""
    text = console.browser.get("/settings?find=monitoring").text
    assert "monitoring.shop.metric" in text
    assert "<code>server.port</code>" not in text
    shown = carry_out(workspace.show_config, console.project, Nothing())
    assert {each["source"] for each in shown} >= {"default"}


def test_what_is_not_there_says_what_there_is(console: Console) -> None:
    """Errors are pages too, with the remedy."""
    answer = console.browser.get("/models/nosuch")
    assert answer.status == 404
    assert "There is no model" in answer.text
    assert list(flaws(answer.text)) == []
    assert console.browser.get("/runs?skip=x").status == 400
    assert console.browser.get("/deployments/nosuch").status == 404


def test_the_events_tell_when_what_is_shown_has_changed(own: Console) -> None:
    """The mark of the page comes first; it is another one when the rollout was paused."""
    before = re.search(r'data-mark="(\w+)"', own.browser.get("/rollouts/shop").text)
    assert before is not None
    with own.browser.following("/live/rollouts/shop") as marks:
        assert next(marks) == before[1]
        own.project.rollouts.pause("shop", own.project.principal, "to look at it")
        assert next(marks) != before[1]


def test_a_page_asks_for_nothing_of_a_name_from_elsewhere(console: Console) -> None:
    """A name that somebody else points here reads nothing: the Host must be this machine's."""
    answer = console.browser.get("/", Host="evil.example:80")
    assert answer.status == 403
    assert "is not known as" in answer.text
    assert Browser(console.browser.port).get("/", Host=f"localhost:{console.browser.port}").status == 200


def awaited(browser: Browser, path: str, sign: str) -> str:
    """A page once what is worked out beside it is there: each event says that it has changed."""
    with browser.following(f"/live{path}") as marks:
        for _ in marks:
            text = browser.get(path).text
            if sign in text:
                return text
    raise AssertionError(f"{path} never showed {sign}")


def test_any_time_is_compared_with_the_reference(console: Console) -> None:
    """A window's own time says what the window says; its address is the bookmark, and the form holds what was asked."""
    window = console.project.monitors.latest("shop")
    assert window is not None
    path = f"/drift/shop?from={window.start[:16]}&to={window.end[:16]}"
    text = awaited(console.browser, path, "judged window")
    assert "1 judged window added up" in text
    assert f'value="{window.start[:16].replace("T", " ")}"' in text
    assert re.search(r"<th scope=\"row\">pages</th><td><span class=\"badge bad\">fail", text)
    figures = [json.loads(each) for each in Reader(text).scripts if each.strip()]
    assert len(figures) == 4
    assert list(flaws(text)) == []


def test_any_time_is_compared_with_another_from_the_log(console: Console) -> None:
    """Half a week beside the other half: nothing was judged of either, so the log is read."""
    window = console.project.monitors.latest("shop")
    assert window is not None
    path = "/drift/shop?from=2026-01-05T00:00&to=2026-01-07T00:00&reference_from=2026-01-05T00:00"
    text = awaited(console.browser, f"{path}&reference_to=2026-01-08T00:00", "read from the log")
    assert "300 answers" in text
    assert re.search(r"<th scope=\"row\">pages</th><td><span class=\"badge good\">pass", text)


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ("from=yesterday", "--from is &#39;yesterday&#39;, which is no time"),
        ("to=2026-01-12", "From when on is not said"),
        ("from=2026-01-12&to=2026-01-05", "is not before --to 2026-01-05"),
        ("from=2026-01-05&to=2026-01-12&reference_to=2026-01-01", "An end of the reference is given"),
        ("from=1990-01-05&to=2026-01-12", "longer than ten years"),
        ("from=2025-01-05&to=2025-01-12", "Nothing was asked of &#39;shop&#39;"),
    ],
)
def test_a_time_that_cannot_be_is_refused_beside_the_form(console: Console, ends: str, said: str) -> None:
    """With what to do about it; the form is still there to be corrected."""
    text = awaited(console.browser, f"/drift/shop?{ends}", said)
    assert 'id="reference_from"' in text
    assert list(flaws(text)) == []


def test_a_run_has_its_artifacts_for_download(console: Console) -> None:
    """Each with its type and a name of its own; whatever is in them, a browser keeps it and runs none of it."""
    (run, *_), _ = newest_runs(console.project.records)
    text = console.browser.get(f"/runs/{run.id}").text
    links = re.findall(r'<a href="(/runs/[^"]+/artifact\?name=[^"]+)" download="([^"]+)"', text)
    assert links
    kinds = set()
    for link, name in links:
        answer = console.browser.get(link)
        assert answer.status == 200
        told = answer.headers
        assert told["content-disposition"].startswith("attachment; filename")
        assert name.split(".")[-1] in told["content-disposition"]
        assert "sandbox" in told["content-security-policy"]
        assert told["x-content-type-options"] == "nosniff"
        assert int(told["content-length"]) == len(answer.body)
        kinds.add(told["content-type"])
    assert "application/json" in kinds
    for name in ("nosuch", "../modelyard.yaml", "train/../../x", "/etc/passwd", ""):
        answer = console.browser.get(f"/runs/{run.id}/artifact?{urlencode({'name': name})}")
        assert answer.status == 404
    assert console.browser.get("/runs/nosuch/artifact?name=train").status == 404


def test_a_run_shows_metrics_by_step_from_mlflow(own: Console) -> None:
    """What was logged with steps becomes a chart, a line for each that logged it."""
    (run, *_), _ = newest_runs(own.project.records)
    tracked = own.project.tracker.tagged(run.pipeline, RUN_TAG, run.id)
    assert tracked is not None
    tracked.log_points([Point("loss", 1 / (1 + step), 1_700_000_000_000 + step, step) for step in range(5)])
    text = awaited(own.browser, f"/runs/{run.id}", "loss by step")
    figures = [json.loads(each) for each in Reader(text).scripts if each.strip()]
    (chart,) = [each for each in figures if each["y_title"] == "loss"]
    assert chart["data"][0]["x"] == [0, 1, 2, 3, 4]
    assert chart["data"][0]["y"] == [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]


def test_skew_says_why_there_is_nothing_to_tell(console: Console) -> None:
    """A deployment without features of a view has no skew; one that is not there is not found."""
    text = awaited(console.browser, "/features/skew/shop", 'class="badge')
    assert "inconclusive" in text or "pass" in text
    assert list(flaws(text)) == []
    assert console.browser.get("/features/skew/nosuch").status == 404


def test_a_shadow_is_shown_beside_what_was_answered(own: Console) -> None:
    """Once the log is read: how many pairs, which share differs, and which are furthest apart."""
    own.project.rollouts.rollback("shop", own.project.principal, "to begin anew")
    own.project.rollouts.start("shop", 2, own.project.principal, asked=Asked(strategy="shadow"))
    own.clock.advance(timedelta(minutes=1))
    shadowed(own.project, 40)
    text = awaited(own.browser, "/rollouts/shop", "pairs of answers")
    assert "40 pairs of answers, version 2 beside live version 1" in text
    assert "Furthest apart" in text
    assert [each for each in map(str, range(40)) if f"pair-{each}<" in text]
    assert list(flaws(text)) == []


def test_the_control_api_is_documented_route_by_route(console: Console) -> None:
    """Every path of the OpenAPI document of an operation, with its fields; nothing comes from elsewhere."""
    text = console.browser.get("/api/docs").text
    document = json.loads(console.browser.get("/api/v1/openapi.json").text)
    routes = [each for each in document["paths"] if not each.endswith(("/session", "/openapi.json", "/healthz"))]
    assert len(routes) > 50
    assert [each for each in routes if f"<code>{each}</code>" not in text] == []
    assert "modelyard rollout start" in text
    assert list(flaws(text)) == []


def test_a_language_models_window_shows_its_arms(own: Console) -> None:
    """Rates with their intervals, tokens and cost; a rate of nothing is a dash."""
    window = own.project.monitors.latest("shop")
    assert window is not None
    none = Rate(0, 0)
    wrong = Rate(1, 9, 1 / 9, 0.02, 0.435)
    arm = GeneratedArm("canary", "2", 9, 8, wrong, none, none, none, none, none, 1200, 0, 300, 5_250_000, 0)
    told = msgspec.structs.replace(window, generated=GeneratedSeen(arm, (arm,), 5_250_000))
    with own.project.records.transaction() as tx:
        tx.put("window", f"shop/{window.start}", msgspec.to_builtins(told))
    text = own.browser.get("/").text
    assert "canary 2" in text
    assert '11.1% <span class="soft">2.0% … 43.5%</span>' in text
    assert '<td class="num">1,200</td><td class="num">300</td><td class="num">5.250</td>' in text
