"""The admin page in a real browser, on a host of the lab; and who may ask the admin address at all.

Screenshots are kept in build/screenshots, or where FAIRLEAD_SCREENSHOTS says.
"""

import base64
import http.client
import os
import tempfile

import pytest
from lab import Lab, namespaces
from lab.agent import ROOT, merged
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.keys import Keys

VIP = "10.10.1.108"
PAGE = "http://127.0.0.1:16444/"
SETTINGS = {
    "vip": {"addresses": [VIP], "probe": {"interval": "50ms"}},
    "vrrp": {"advertInterval": "100ms"},
    "loadBalancer": {"healthCheck": {"type": "http", "interval": "200ms"}},
    "backends": {"static": ["10.10.1.83:6443", "10.10.1.84:6443"]},
}
SCREENSHOTS = os.environ.get("FAIRLEAD_SCREENSHOTS", os.path.join(ROOT, "build/screenshots"))

# Every visible text's contrast with what lies behind it, by WCAG 2.1, 1.4.3; those that are too low.
CONTRAST = """
const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const parts = (text) => text.match(/[\\d.]+/g).map(Number);
const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const behind = (element) => {
  for (; element; element = element.parentElement) {
    const colour = parts(getComputedStyle(element).backgroundColor);
    if (colour.length < 4 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
};
const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
let texts = 0;
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement, style = getComputedStyle(element);
  if (!walker.currentNode.data.trim() || !element.getClientRects().length || ["SCRIPT", "STYLE", "NOSCRIPT"].includes(element.tagName)) continue;
  texts++;
  const [a, b] = [luminance(parts(style.color)), luminance(behind(element))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  if (ratio < (large ? 3 : 4.5)) found.push([walker.currentNode.data.trim(), ratio.toFixed(2), style.color]);
}
// What isn't text: 1.4.11.
for (const shape of document.querySelectorAll("#timeline rect, .spark")) {
  const style = getComputedStyle(shape), colour = shape.classList.contains("spark") ? style.stroke : style.fill;
  const [a, b] = [luminance(parts(colour)), luminance(behind(shape.closest("section")))];
  if ((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 3) found.push([shape.getAttribute("class"), colour]);
}
return [texts, found];
"""


class Browser:
    """Headless Chromium on one host. Whatever uses it must be inside that host's namespace."""

    def __init__(self, profile):
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
                         "--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}"):  # fmt: skip
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)

    def look(self, width, height, scheme, name):
        """As on such a screen, in light or dark; a screenshot of all of the page."""
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        os.makedirs(SCREENSHOTS, exist_ok=True)
        with open(os.path.join(SCREENSHOTS, f"{name}.png"), "wb") as file:
            file.write(base64.b64decode(shot["data"]))

    def text(self, selector):
        return self.driver.execute_script("return document.querySelector(arguments[0]).innerText", selector)

    def script(self, text, *arguments):
        return self.driver.execute_script(text, *arguments)

    def complaints(self):
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]

    def press(self, *keys):
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    @property
    def focused(self):
        return self.script("const e = document.activeElement; return e.id || e.value || e.className || e.tagName")


@pytest.fixture
def lab():
    with Lab(vips=[VIP]) as made:
        for number, host in enumerate(made.masters(2)):
            host.backend(tls=False)
            host.start_agent(merged(SETTINGS, {"vrrp": {"priority": 110 - number}}))
        made.wait_for(lambda: [host.agent.state for host in made.hosts.values()] == ["MASTER", "BACKUP"], 10, "master1 to hold the VIP alone")
        made.wait_for(lambda: all(len(host.agent.up()) == 2 for host in made.hosts.values()), 10, "both backends to be up")
        yield made


@pytest.fixture
def browser(lab):
    host = lab.hosts["master2"]
    with tempfile.TemporaryDirectory(prefix="fairlead-page-") as profile, namespaces.inside(host.namespace):
        made = Browser(profile)
        try:
            made.driver.get(PAGE)
            lab.wait_for(lambda: made.text("#live") == "live", 20, "the page to be live")
            yield made
        finally:
            made.driver.quit()


def test_the_page_shows_the_failover_while_it_happens(lab, browser):
    first, second = lab.hosts.values()
    lab.wait_for(lambda: f"held by {first.address}" in browser.text("#routers"), 10, "the holder to be shown")
    assert f"{VIP}:16443 answers" in browser.text("#service")
    assert browser.text("#node") == "master2" and "10.10.1.83:6443" in browser.text("#backends")
    points = browser.script("return document.querySelector('.spark').getAttribute('points')")
    held = [lab.client_host.connect(VIP, 16443) for _ in range(3)]
    for connection in held:
        connection.sendall(b"GET / HTTP/1.1\r\n")

    first.agent.stop()
    lab.wait_for(lambda: "held by this host" in browser.text("#routers"), 10, "the page to show the new holder")
    assert "MASTER, for" in browser.text("#routers") and "10.10.1.83 gave" in browser.text("#routers")
    assert "became MASTER" in browser.text("#events li:first-child, #events")
    assert browser.script("return document.querySelectorAll('#timeline rect[data-state=MASTER]').length") == 1
    again = [lab.client_host.connect(VIP, 16443) for _ in range(3)]
    for connection in again:
        connection.sendall(b"GET / HTTP/1.1\r\n")
    lab.wait_for(lambda: "3 connections open" in browser.text("#balancer"), 10, "the connections to be shown")
    assert browser.script("return document.querySelector('.spark').getAttribute('points')") != points

    assert browser.complaints() == []
    for connection in held + again:
        connection.close()


def test_the_page_says_when_the_agent_is_gone_and_comes_back_with_it(lab, browser):
    second = lab.hosts["master2"]
    second.agent.stop()
    lab.wait_for(lambda: "no connection" in browser.text("#live"), 10, "the page to notice")
    second.agent.restart()
    lab.wait_for(lambda: browser.text("#live") == "live", 20, "the page to find it again")


def test_the_page_fits_every_screen_in_light_and_dark_with_enough_contrast(lab, browser):
    # With something of every kind on it.
    lab.hosts["master1"].agent.stop()
    lab.wait_for(lambda: "held by this host" in browser.text("#routers"), 10, "the new holder")
    for name, width, height in (("phone", 360, 800), ("tablet", 768, 1024), ("desktop", 1280, 900)):
        for scheme in ("light", "dark"):
            browser.look(width, height, scheme, f"page-{name}-{scheme}")
            texts, low = browser.script(CONTRAST)
            assert texts > 60 and low == [], (name, scheme, low)
            overflow = browser.script("return [document.documentElement.scrollWidth, innerWidth]")
            assert overflow[0] <= overflow[1], (name, scheme, overflow)
    # Text twice as large must fit as well: WCAG 2.1, 1.4.4.
    browser.script("document.documentElement.style.fontSize = '200%'")
    browser.look(640, 900, "light", "page-large-text")
    overflow = browser.script("return [document.documentElement.scrollWidth, innerWidth]")
    assert overflow[0] <= overflow[1]
    assert browser.complaints() == []


def test_the_page_is_usable_by_keyboard(lab, browser):
    order = []
    for _ in range(4):
        browser.press(Keys.TAB)
        order.append(browser.focused)
        outline = browser.script("return getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", order
    assert order == ["skip", "pause", "3600", "events"], order
    browser.script("document.getElementById('pause').focus()")
    browser.press(Keys.SPACE)
    assert browser.text("#live") == "paused" and browser.text("#pause") == "Go on"
    lab.hosts["master1"].agent.stop()
    lab.wait_for(lambda: lab.hosts["master2"].agent.state == "MASTER", 10, "the VIP to move")
    assert "held by this host" not in browser.text("#routers")
    browser.press(Keys.SPACE)
    lab.wait_for(lambda: "held by this host" in browser.text("#routers"), 10, "the page to go on")
    before = browser.script("return document.querySelector('#timeline svg').getAttribute('aria-label')")
    browser.press(Keys.TAB)
    browser.press(Keys.ARROW_LEFT)
    assert browser.focused == "600"
    assert browser.script("return document.querySelector('#timeline svg').getAttribute('aria-label')") != before


def test_the_page_needs_nothing_else_and_may_do_nothing_else(lab):
    host = lab.hosts["master1"]
    status, text, headers = get_with_headers(host, "/")
    assert status == 200 and headers["content-type"] == "text/html; charset=utf-8"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store"
    assert text.startswith("<!doctype html>")


def get_with_headers(host, path):
    client = http.client.HTTPConnection("127.0.0.1", 16444)
    client.sock = host.connect("127.0.0.1", 16444)
    client.request("GET", path)
    answer = client.getresponse()
    text = answer.read().decode()
    client.close()
    return answer.status, text, {name.lower(): value for name, value in answer.getheaders()}
