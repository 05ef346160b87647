"""What tests ask of the open page, and keys by their names."""

from __future__ import annotations

ESCAPE, ENTER = "\ue00c", "\ue007"
LEFT, UP, RIGHT, DOWN = "\ue012", "\ue013", "\ue014", "\ue015"


def number(browser, name, words=""):
    """The number of a call or file in the page."""
    find = "return cachepy.page.model.items.find(i => i.name === arguments[0] && i.words.includes(arguments[1])).id"
    return browser.js(find, name, words)


def camera(browser):
    return browser.ask("page.camera.now")


def chosen(browser):
    return browser.ask("page.item === null ? null : page.model.items[page.item].name + ' ' + page.model.items[page.item].words").strip()


def marked(browser, bit):
    return set(browser.ask(f"page.model.items.filter(i => page.marks[i.id] & {bit}).map(i => i.name + i.words)"))


def settle(browser):
    """Wait until what was asked for is painted."""
    browser.driver.execute_async_script("const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done))")
