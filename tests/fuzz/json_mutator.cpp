// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/json_mutator.h"

#include <iterator>
#include <nlohmann/json.hpp>
#include <vector>

#include "tests/fuzz/text_mutator.h"

namespace tessera::fuzz {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kDeepest = 64;  // that is walked

void collect(Json& json, std::vector<Json*>& all, int depth) {
  all.push_back(&json);
  if (!json.is_structured() || depth > kDeepest) return;
  for (Json& item : json) collect(item, all, depth + 1);
}

Json odd_value(Random& random) {
  constexpr double kReals[] = {0.5, -1e-9, 1e18, 9.3e18, -1e300, 1e15, 2147483648.0};
  switch (random.below(8)) {
    case 0: return {};
    case 1: return random.one_in(2);
    case 2: return kReals[random.below(std::size(kReals))];
    case 3: return odd_text(random);
    case 4: return Json::array();
    case 5: return Json::object();
    case 6: return UINT64_MAX;
    default: return other_number(static_cast<int64_t>(random.below(100)), random);
  }
}

void change_members(Json& json, const Json& donor, Random& random) {
  if (json.empty()) {
    if (json.is_array())
      json.push_back(donor);
    else
      json["length"] = donor;
    return;
  }
  const auto at = std::next(json.begin(), static_cast<ptrdiff_t>(random.below(json.size())));
  switch (random.below(4)) {
    case 0: json.erase(at); break;
    case 1: *at = donor; break;
    case 2:
      if (json.is_array())
        json.push_back(*at);
      else
        json[odd_text(random)] = Json(*at);
      break;
    default:
      if (json.is_array())
        json.insert(at, donor);
      else
        json[at.key() + "_"] = donor;
  }
}

void change(Json& json, const Json& donor, Random& random) {
  if (random.one_in(8)) {
    json = random.one_in(2) ? odd_value(random) : donor;
  } else if (json.is_structured()) {
    change_members(json, donor, random);
  } else if (json.is_number_integer()) {
    json = other_number(json.get<int64_t>(), random);
  } else if (json.is_number_float()) {
    json = random.one_in(2) ? Json(json.get<double>() * 1e9) : odd_value(random);
  } else if (json.is_string()) {
    const auto text = json.get<std::string>();
    if (random.one_in(3))
      json = donor.is_string() ? donor : Json(odd_text(random));
    else
      json = mutate_text(text, random);
  } else {
    json = odd_value(random);
  }
}

std::string dumped(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::ignore);
}

}  // namespace

std::string mutate_json(std::string_view text, Random& random) {
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded() || random.one_in(16)) return mutate_text(text, random);
  std::vector<Json*> all;
  collect(json, all, 0);
  const Json donor = *random.pick(all);
  change(*random.pick(all), donor, random);
  const bool lines = text.find("\n ") != std::string_view::npos;
  return dumped(json, lines ? 1 : -1) + (text.ends_with('\n') ? "\n" : "");
}

std::string mutate_json_lines(std::string_view text, Random& random) {
  if (text.empty() || random.one_in(8)) return mutate_text(text, random);
  // The line at a random place.
  const size_t at = random.below(text.size());
  const size_t before = text.rfind('\n', at == 0 ? 0 : at - 1);
  const size_t begin = before == std::string_view::npos ? 0 : std::min(before + 1, at);
  const size_t end = std::min(text.find('\n', at), text.size());
  const std::string line = mutate_json(text.substr(begin, end - begin), random);
  std::string changed(text.substr(0, begin));
  changed += line;
  if (random.one_in(8)) changed += "\n" + line;
  return changed.append(text.substr(end));
}

}  // namespace tessera::fuzz
