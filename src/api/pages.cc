#include "api/pages.h"

#include <string>

namespace canopy::api {
namespace {

constexpr std::string_view style = R"html(<style>
:root{color-scheme:light dark;--line:#8884;--soft:#8882;--accent:#2a7d4f}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid var(--line)}
code,pre{font-family:ui-monospace,monospace;font-size:.9em}
pre{background:var(--soft);padding:.8rem;overflow:auto;border-radius:.4rem}
details{border:1px solid var(--line);border-radius:.4rem;margin:.5rem 0;padding:.4rem .8rem}
summary{cursor:pointer}summary b{display:inline-block;min-width:4.5rem;color:var(--accent)}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.2rem .6rem .2rem 0}
th{font-weight:600}small{opacity:.7}a{color:var(--accent)}
</style>)html";

// Builds the page from /openapi.json. All text goes in as text, never as markup.
constexpr std::string_view docs_script = R"html(<script>
const make = (tag, text, ...children) => {
  const node = document.createElement(tag);
  if (text) node.textContent = text;
  node.append(...children);
  return node;
};
fetch('/openapi.json').then(r => r.json()).then(api => {
  const find = x => x && x.$ref ? x.$ref.slice(2).split('/').reduce((o, k) => o[k], api) : x;
  const type = s => {
    if (s && s.$ref) return s.$ref.split('/').pop();
    if (!s) return '';
    if (s.enum) return s.enum.join(' | ');
    if (s.type === 'array') return type(s.items) + '[]';
    return [].concat(s.type || '').join(' or ') + (s.pattern ? ' ' + s.pattern : '');
  };
  const rows = (head, list) => {
    const table = make('table', '', make('tr', '', ...head.map(h => make('th', h))));
    for (const cells of list) table.append(make('tr', '', ...cells.map(c => make('td', String(c)))));
    return table;
  };
  const main = document.querySelector('main');
  main.append(make('p', api.info.description), make('small', 'Version ' + api.info.version));
  const methods = ['get', 'put', 'post', 'patch', 'delete', 'options', 'head', 'trace'];
  for (const tag of api.tags) {
    main.append(make('h2', tag.name));
    for (const [path, item] of Object.entries(api.paths)) for (const method of methods) {
      const op = item[method];
      if (!op || !op.tags.includes(tag.name)) continue;
      const box = make('details', '', make('summary', '', make('b', method.toUpperCase()), make('code', path),
        document.createTextNode('  ' + op.summary)));
      for (const words of [item.description, op.description]) if (words) box.append(make('p', words));
      const parameters = [...(item.parameters || []), ...(op.parameters || [])].map(find);
      if (parameters.length) box.append(make('h4', 'Parameters'), rows(['name', 'in', 'type', ''],
        parameters.map(p => [p.name, p.in, type(p.schema), p.description || ''])));
      const body = find(op.requestBody);
      if (body) box.append(make('h4', 'Body'), rows(['type', 'schema'],
        Object.entries(body.content).map(([t, c]) => [t, type(c.schema)])));
      box.append(make('h4', 'Answers'), rows(['status', 'type', ''], Object.entries(op.responses).map(
        ([status, r]) => [status, Object.keys(find(r).content || {}).join(', '), find(r).description])));
      main.append(box);
    }
  }
  main.append(make('h2', 'schemas'));
  for (const [name, schema] of Object.entries(api.components.schemas)) main.append(make('details', '',
    make('summary', '', make('code', name)), make('pre', JSON.stringify(schema, null, 2))));
}).catch(error => document.querySelector('main').append(make('p', 'Cannot read /openapi.json: ' + error)));
</script>)html";

net::HttpResponse html(std::string_view title, std::string_view inside) {
  net::HttpResponse response;
  response.content_type = "text/html; charset=utf-8";
  // Nothing from elsewhere runs here, whatever finds its way into the page.
  response.headers.push_back({"Content-Security-Policy",
                              "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
                              "connect-src 'self'; base-uri 'none'; form-action 'none'; "
                              "frame-ancestors 'none'"});
  response.headers.push_back({"X-Content-Type-Options", "nosniff"});
  std::string& page = response.body;
  page =
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\"><title>";
  page += title;
  page += "</title>";
  page += style;
  page += "</head><body>";
  page += inside;
  page += "</body></html>\n";
  return response;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<' || c == '>' || c == '&' || c == '"') {
      out += "&#" + std::to_string(static_cast<int>(c)) + ";";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

net::HttpResponse home_page(std::string_view program_version) {
  std::string inside =
      "<h1>Canopy</h1><p>Functions in WebAssembly, each call in a fresh isolated instance. "
      "<small>Version ";
  inside += escaped(program_version);
  inside += R"html(</small></p><h2>Try it</h2><pre>canopy new cpp hello
canopy deploy hello
canopy invoke hello -d world</pre><h2>Look at it</h2><ul>
<li><a href="/docs">/docs</a>: every request this server understands</li>
<li><a href="/v1/functions">/v1/functions</a>: what is deployed</li>
<li><a href="/v1/calls">/v1/calls</a>: what runs, and what ran</li>
<li><a href="/metrics">/metrics</a>: numbers for Prometheus</li>
<li><a href="/debug/state">/debug/state</a>: what each core does</li>
<li><a href="/openapi.json">/openapi.json</a>: the API, for programs</li></ul>)html";
  return html("Canopy", inside);
}

net::HttpResponse docs_page() {
  std::string inside =
      "<h1>Canopy: the API</h1><main><noscript>This page needs JavaScript; /openapi.json "
      "says the same.</noscript></main>";
  inside += docs_script;
  return html("Canopy: the API", inside);
}

}  // namespace canopy::api
