"""Verbs with their endings, compared with the standard spelling."""

from __future__ import annotations

import pytest

from soritune.audio.synthesis.verbs import with_ending

WRITTEN = """
먹+아요=먹어요 잡+아ㅆ어요=잡았어요 가+아요=가요 오+아ㅆ습니다=왔습니다 보+아요=봐요
배우+아요=배워요 마시+아ㅆ어요=마셨어요 보내+아요=보내요 서+아라=서라 되+아요=돼요 쉬+아요=쉬어요 하+아ㅆ다=했다
공부하+아요=공부해요 쓰+아요=써요 바쁘+아요=바빠요 예쁘+아ㅆ어요=예뻤어요 고르+아요=골라요
누르+아요=눌러요 푸르+아요=푸르러요 흐르+아ㅆ다=흘렀다 돕+아요=도와요 춥+아요=추워요 듣+아요=들어요 짓+아ㅆ어요=지었어요
빨갛+아요=빨개요 하얗+아요=하얘요 먹+으면=먹으면 가+으면=가면 만들+으면=만들면 만들+으세요=만드세요 돕+으면=도우면
듣+으니까=들으니까 짓+으려고=지으려고 먹+ㅂ니다=먹습니다 가+ㅂ니다=갑니다 살+ㅂ니다=삽니다 작+ㄴ=작은 크+ㄴ=큰
길+ㄴ=긴 덥+ㄴ=더운 먹+ㄹ게요=먹을게요 만들+ㄹ_거예요=만들_거예요 먹+ㄴ다=먹는다 가+ㄴ다=간다 놀+ㄴ다=논다
알+는데=아는데 읽+고_있어요=읽고_있어요 살+네요=사네요 살+지_않아요=살지_않아요 파랗+ㄴ=파란
"""


@pytest.mark.parametrize("case", WRITTEN.split())
def test_spelling_by_hand(case: str) -> None:
    parts, written = case.replace("_", " ").split("=")
    assert with_ending(*parts.split("+")) == written
