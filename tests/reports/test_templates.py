from soritune.reports.templates import PARTS, page_environment, resource


def test_parts_escape_text_and_are_not_escaped_again():
    environment = page_environment()
    page = environment.from_string("{{ swatches(colours) }}")
    text = page.render(colours={"<b>화남</b>": "#123456"})
    assert "&lt;b&gt;화남&lt;/b&gt;" in text and '<i style="background:#123456">' in text


def test_every_part_has_a_template():
    assert all(resource(f"{name}.html.j2") for name in PARTS)
