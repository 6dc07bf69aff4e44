"""The HTTP API described as OpenAPI 3.1, so that other programs can use it."""

from __future__ import annotations

from typing import Any

from ..pipeline import ImageSynthesisPipeline
from ..version import __version__
from .order import CALL, DRAFT, PICTURES

__all__ = ["openapi"]

_TEXTS = {
    "image": "a picture to inpaint or outpaint",
    "mask": "the area of image to paint: white is painted, black stays",
    "picture": "for a draft: the picture so far",
    "area": "for a draft: what has changed in the maps, white where it has",
}


def openapi(pipe: ImageSynthesisPipeline, description: dict[str, Any]) -> dict[str, Any]:
    """The description of the server that paints with a pipeline."""
    file = {"type": "string", "format": "binary"}
    maps = {
        condition.name: f"the {condition.name} map, a picture file"
        for condition in pipe.conditions
        if condition.spatial
    }
    error = {
        "description": "refused, with the reason",
        "content": {"application/json": {"schema": {"type": "object", "properties": {"error": {"type": "string"}}}}},
    }
    form = {
        "type": "object",
        "properties": {
            "settings": {
                "type": "string",
                "contentMediaType": "application/json",
                "description": "options by name, as `vqgan-transformer sample --config` takes them: "
                + ", ".join([*CALL, *description["settings"]])
                + ", and conditions that are no files",
            },
            "session": {
                "type": "string",
                "description": "who asks: a newer order of the same session replaces older ones",
            },
            **{name: {**file, "description": text} for name, text in (maps | _TEXTS).items()},
        },
    }
    events = (
        "Server-sent events. `queued` {place}: how many are before this one. `started`. `preview` {drawn, total} and, where "
        "rows are complete, {top, image}: a strip, as a data address. Last one of `result` {image, top, left, draft, seed, "
        "notes, seconds}, `cancelled` {reason}, `error` {message}."
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "vqgan_transformer", "version": __version__, "description": "Paints pictures from maps."},
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{}, {"token": []}],
        "paths": {
            "/model": {
                "get": {
                    "summary": "The model: its conditions, labels, settings and limits",
                    "responses": {"200": {"description": "JSON", "content": {"application/json": {}}}, "401": error},
                }
            },
            "/paint": {
                "post": {
                    "summary": "Paint a picture",
                    "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}},
                    "responses": {
                        "200": {
                            "description": events,
                            "content": {"text/event-stream": {"schema": {"type": "string"}}},
                        },
                        **{status: error for status in ("400", "401", "403", "408", "413", "503")},
                    },
                }
            },
        },
        "x-files": [*maps, *PICTURES, *DRAFT],
    }
