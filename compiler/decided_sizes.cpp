// SPDX-License-Identifier: Apache-2.0
#include "compiler/decided_sizes.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

namespace tessera {
namespace {

constexpr size_t kMostSizes = 24;  // to be tried, each of which imports the model once more

// One element of a decision, at the sizes that were tried.
struct Point {
  int64_t size = 0;
  double left = 0, right = 0;
};
using Points = std::vector<Point>;

// step · size + start
struct Line {
  double step = 0, start = 0;
  double at(int64_t size) const { return step * static_cast<double>(size) + start; }
};

template <class Value>
std::optional<Line> line_through(const Points& points, const Value& value) {
  const Point &first = points.front(), &last = points.back();
  Line line;
  line.step = (value(last) - value(first)) / static_cast<double>(last.size - first.size);
  line.start = value(first) - line.step * static_cast<double>(first.size);
  const bool is_line = std::ranges::all_of(points, [&](const Point& point) {
    const double is = value(point);
    return std::abs(is - line.at(point.size)) <= 1e-9 * (1 + std::abs(is));
  });
  return is_line ? std::optional(line) : std::nullopt;
}

class Finder {
 public:
  explicit Finder(int64_t largest) : largest_(largest) {}

  // False: the choice may fall otherwise anywhere.
  bool add(Op op, const Points& points) {
    if (op == Op::Gather) return add_lookup(points);
    const bool compares = op == Op::Equal || op == Op::Less || op == Op::Max || op == Op::Min;
    return compares ? add_comparison(points) : add_steps(points);
  }
  std::vector<int64_t> found() const { return {sizes_.begin(), sizes_.end()}; }

 private:
  bool add_comparison(const Points& points) {
    const auto difference = [](const Point& point) { return point.left - point.right; };
    const auto line = line_through(points, difference);
    if (!line) return add_curve(points, difference);
    if (line->step == 0) return true;
    put_near(-line->start / line->step);
    return sizes_.size() <= kMostSizes;
  }

  // Squares of the size, or rows times tokens of which one is fixed: near the roots of the parabola
  // through three points, and its vertex.
  template <class Value>
  bool add_curve(const Points& points, const Value& value) {
    const Point &a = points.front(), &b = points[points.size() / 2], &c = points.back();
    const auto slope = [&](const Point& from, const Point& to) {
      return (value(to) - value(from)) / static_cast<double>(to.size - from.size);
    };
    const double square = (slope(b, c) - slope(a, b)) / static_cast<double>(c.size - a.size);
    const double step = slope(a, b) - square * static_cast<double>(a.size + b.size);
    const double start = value(a) - Line{square, step}.at(a.size) * static_cast<double>(a.size);
    const bool is_curve = std::ranges::all_of(points, [&](const Point& point) {
      const double size = static_cast<double>(point.size), is = value(point);
      return std::abs(is - ((square * size + step) * size + start)) <= 1e-6 * (1 + std::abs(is));
    });
    if (!is_curve)
      return std::ranges::all_of(points, [&](const Point& p) { return value(p) > 0; }) ||
             std::ranges::all_of(points, [&](const Point& p) { return value(p) < 0; });
    const double vertex = -step / (2 * square), under = vertex * vertex - start / square;
    if (under < 0) return true;
    for (const double root : {vertex - std::sqrt(under), vertex, vertex + std::sqrt(under)})
      put_near(root);
    return sizes_.size() <= kMostSizes;
  }

  // A table may hold another number for each size.
  bool add_lookup(const Points& points) {
    const double first = points.front().left;
    if (std::ranges::all_of(points, [&](const Point& p) { return p.left == first; })) return true;
    if (largest_ > static_cast<int64_t>(kMostSizes)) return false;
    for (int64_t size = 1; size <= largest_; ++size) put(size);
    return true;
  }

  // A quotient, or a number of which the whole part is taken.
  bool add_steps(const Points& points) {
    const auto quotient = [](const Point& point) {
      return point.right == 0 ? std::nan("") : point.left / point.right;
    };
    const bool is_whole = std::ranges::all_of(
        points, [&](const Point& point) { return std::floor(quotient(point)) == quotient(point); });
    if (is_whole) return true;
    const auto line = line_through(points, quotient);
    if (!line) return false;
    if (line->step == 0) return true;
    if (std::abs(line->step) * static_cast<double>(largest_) > kMostSizes) return false;
    for (int64_t size = 2; size <= largest_ && sizes_.size() <= kMostSizes; ++size) {
      if (std::floor(line->at(size)) == std::floor(line->at(size - 1))) continue;
      put(size - 1);
      put(size);
    }
    return sizes_.size() <= kMostSizes;
  }

  void put_near(double root) {
    if (!(root > 0 && root < static_cast<double>(largest_) + 1)) return;
    const auto near = static_cast<int64_t>(std::floor(root));
    for (int64_t size = near - 1; size <= near + 2; ++size) put(size);
  }

  void put(int64_t size) {
    if (size >= 1 && size <= largest_) sizes_.insert(size);
  }

  const int64_t largest_;
  std::set<int64_t> sizes_;
};

using Name = std::pair<std::string, size_t>;  // a node, and which of its decisions

std::vector<Name> names(const std::vector<Decision>& decisions) {
  std::vector<Name> result;
  std::map<std::string, size_t> counts;
  for (const Decision& one : decisions) result.emplace_back(one.node, counts[one.node]++);
  return result;
}

}  // namespace

DecidedSizes decided_sizes(const DecisionsBySize& tried, int64_t largest) {
  DecidedSizes result;
  if (tried.size() < 2) return result;
  std::map<Name, std::vector<std::pair<int64_t, const Decision*>>> by_name;
  for (const auto& [size, decisions] : tried) {
    const std::vector<Name> named = names(decisions);
    for (size_t i = 0; i < named.size(); ++i) by_name[named[i]].emplace_back(size, &decisions[i]);
  }
  Finder finder(largest);
  for (const Name& name : names(tried.begin()->second)) {
    const auto& sized = by_name[name];
    const Decision& first = *sized.front().second;
    const bool is_one = std::ranges::all_of(sized, [&](const auto& one) {
      return one.second->op == first.op && one.second->left.size() == first.left.size();
    });
    if (sized.size() < 2 || !is_one) continue;  // of another graph, or by place
    for (size_t i = 0; i < first.left.size(); ++i) {
      Points points;
      for (const auto& [size, decision] : sized)
        points.push_back(
            {size, decision->left[i], decision->right.empty() ? 1 : decision->right[i]});
      if (finder.add(first.op, points)) continue;
      result.undecided = name.first;
      return result;
    }
  }
  for (const int64_t size : finder.found())
    if (!tried.contains(size)) result.sizes.push_back(size);
  return result;
}

}  // namespace tessera
