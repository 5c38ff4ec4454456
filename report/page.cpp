// SPDX-License-Identifier: Apache-2.0
// One HTML file: the views, the document as JSON, and the scripts and the style that CMake has
// joined (page/). Nothing is fetched, and the page says so itself: its policy allows nothing but
// the one script and the one style, by their hashes.
#include <fmt/format.h>

#include "report/html.h"
#include "report/page_parts.h"
#include "report/report.h"
#include "report/views.h"
#include "support/base64.h"
#include "support/sha256.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

std::string in_policy(std::string_view content) {
  return "'sha256-" + to_base64(sha256(content)) + "'";
}

struct View {
  const char* id;
  const char* title;
  std::string (*html)(const Json&);
};
constexpr View kViews[] = {
    {"verdict",     "Verdict",          verdict_view    },
    {"tiles",       "Tiles",            tiles_view      },
    {"memory",      "Memory over time", memory_view     },
    {"supersteps",  "Supersteps",       supersteps_view },
    {"operations",  "Operations",       operations_view },
    {"placement",   "Placement",        placement_view  },
    {"packing",     "Packing",          packing_view    },
    {"recompiles",  "Recompiles",       recompiles_view },
    {"differences", "Differences",      differences_view},
    {"provenance",  "Provenance",       provenance_view },
};

}  // namespace

std::string report_page(const Json& document) {
  const std::string title = html_escaped(document["title"].get<std::string>());
  const std::string_view script = page_script(), style = page_style();
  std::string links, sections;
  for (const View& view : kViews) {
    const std::string html = view.html(document);
    if (html.empty()) continue;
    links += fmt::format("<li><a href=\"#{}\">{}</a></li>\n", view.id, view.title);
    sections += fmt::format(
        "<section id=\"{0}\" data-view=\"{0}\" aria-labelledby=\"title-{0}\">\n"
        "<h2 id=\"title-{0}\">{1}</h2>\n{2}</section>\n",
        view.id, view.title, html);
  }
  std::string page = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src {}; "
      "style-src {}; base-uri 'none'; form-action 'none'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>{} · Tessera report</title>\n"
      "<style>",
      in_policy(script), in_policy(style), title);
  page += style;
  page += fmt::format(
      "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#views\">Skip to the views</a>\n"
      "<header><h1>{}</h1><nav aria-label=\"Views\"><ul>\n{}</ul></nav></header>\n"
      "<main id=\"views\" tabindex=\"-1\">\n{}</main>\n"
      "<script type=\"application/json\" id=\"tessera-report\">",
      title, links, sections);
  page += json_in_script(document);
  page += "</script>\n<script>";
  page += script;
  page += "</script>\n</body>\n</html>\n";
  return page;
}

}  // namespace tessera
