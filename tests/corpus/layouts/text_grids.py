"""TextGrid files as Praat's manual describes them."""

from __future__ import annotations


def text_grid(tiers: dict[str, list[tuple[float, float, str]]]) -> str:
    """A long TextGrid, as Praat's manual describes it."""
    end = max(intervals[-1][1] for intervals in tiers.values())
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {end}"]
    lines += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, intervals) in enumerate(tiers.items(), start=1):
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"']
        lines += ["        xmin = 0", f"        xmax = {end}", f"        intervals: size = {len(intervals)}"]
        for index, (start, stop, text) in enumerate(intervals, start=1):
            lines += [
                f"        intervals [{index}]:",
                f"            xmin = {start}",
                f"            xmax = {stop}",
            ]
            lines += [f'            text = "{text}"']
    return "\n".join(lines) + "\n"


def short_text_grid(tiers: dict[str, list[tuple[float, float, str]]]) -> str:
    """The same in the short format: values alone, one on a line."""
    end = max(intervals[-1][1] for intervals in tiers.values())
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "0",
        f"{end}",
        "<exists>",
        f"{len(tiers)}",
    ]
    for name, intervals in tiers.items():
        lines += ['"IntervalTier"', f'"{name}"', "0", f"{end}", f"{len(intervals)}"]
        for start, stop, text in intervals:
            lines += [f"{start}", f"{stop}", f'"{text}"']
    return "\n".join(lines) + "\n"
