"""The service's page at ``/docs``: its interface in plain HTML, made from the OpenAPI description, without the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jinja2 import Environment

__all__ = ["page"]

_PAGE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{ info.title }}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; color-scheme: light dark }
code, pre { font-family: ui-monospace, monospace } pre { overflow-x: auto; padding: .5rem; border: 1px solid #8886 }
table { border-collapse: collapse } td { padding: .1rem .8rem .1rem 0; vertical-align: top }
</style>
<h1>{{ info.title }}</h1>
<p>susx {{ info.version }}. For programs: <a href="openapi.json">openapi.json</a>.</p>
{% for note in notes %}
<p><strong>{{ note }}</strong></p>
{% endfor %}
<h2>Try it</h2>
<form action="predict" method="post" enctype="multipart/form-data">
<input type="file" name="image" accept="image/*" required> <button>Classify</button></form>
<pre>curl --data-binary @photo.jpg '{{ address }}/predict?top_k=3'
curl -F image=@photo.jpg '{{ address }}/predict'
curl -F image=@one.jpg -F image=@two.jpg '{{ address }}/predict/batch'</pre>
{% for path, methods in paths.items() %}
{% for method, operation in methods.items() %}
<h2><code>{{ method | upper }} {{ path }}</code></h2>
<p>{{ operation.description }}</p>
<table>
{% for parameter in operation.parameters or () %}
<tr><td><code>{{ parameter.name }}</code><td>{{ parameter.schema.type }}, {{ parameter.schema.minimum }} to
{{ parameter.schema.maximum }}, by default {{ parameter.schema.default }}<td>{{ parameter.description }}
{% endfor %}
{% if operation.requestBody %}
<tr><td>body<td colspan="2">{{ operation.requestBody.content | join(", ") }}
{% endif %}
{% for status, response in operation.responses.items() %}
<tr><td>{{ status }}<td colspan="2">{{ response.description }}
{% for kind in (response.content or {}).values() if kind.schema["$ref"] and status == "200" %}
: {% for name, field in schemas[kind.schema["$ref"].split("/")[-1]].properties.items() %}<code>{{ name }}</code> {% endfor %}
{% endfor %}
{% endfor %}
</table>
{% endfor %}
{% endfor %}
""")


def page(description: dict[str, Any], notes: Sequence[str], address: str) -> str:
    """Return the HTML of an OpenAPI description; ``notes`` stand first, ``address`` is the one that the reader has of the service."""
    return _PAGE.render(
        info=description["info"],
        paths=description["paths"],
        schemas=description["components"]["schemas"],
        notes=notes,
        address=address,
    )
