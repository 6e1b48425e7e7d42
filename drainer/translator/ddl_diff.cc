#include "drainer/translator/ddl_diff.h"

#include <algorithm>

#include <absl/strings/match.h>

namespace sluice::drainer::translator {
namespace {

using Kind = change::DdlElement::Kind;

template <class Named>
const Named* find(const std::vector<Named>& all, const std::string& name) {
  const auto it = std::ranges::find_if(all, [&](const Named& one) { return absl::EqualsIgnoreCase(one.name, name); });
  return it == all.end() ? nullptr : &*it;
}

bool is_seen(const change::ColumnDef* column) {
  return column != nullptr && column->is_public && !column->hidden;
}

void add_columns(const schema::TableSchema& before, const schema::TableSchema& after,
                 std::vector<change::DdlElement>& changes) {
  for (const change::ColumnDef& column : before.def.columns)
    if (is_seen(&column) && !is_seen(find(after.def.columns, column.name)))
      changes.push_back({.kind = Kind::column, .name = column.name, .existed = true, .exists = false});
  for (size_t i = 0; i < after.def.columns.size(); ++i) {
    const change::ColumnDef& column = after.def.columns[i];
    if (!is_seen(&column)) continue;
    const change::ColumnDef* old = find(before.def.columns, column.name);
    const bool existed = is_seen(old);
    if (existed && before.column_hashes[static_cast<size_t>(old - before.def.columns.data())] == after.column_hashes[i])
      continue;
    changes.push_back({.kind = Kind::column,
                       .name = column.name,
                       .existed = existed,
                       .type = column.type,
                       .is_unsigned = column.is_unsigned()});
  }
}

// Column names; none for an expression's hidden column, whose name is no other server's.
std::vector<std::string> parts_of(const change::TableDef& table, const change::IndexDef& index) {
  std::vector<std::string> parts;
  for (const change::IndexDef::Part& part : index.parts) {
    if (table.columns[part.column].hidden) return {};
    parts.push_back(table.columns[part.column].name);
  }
  return parts;
}

bool same_index(const change::TableDef& before, const change::IndexDef& a, const change::TableDef& after,
                const change::IndexDef& b) {
  const auto prefix = [](const change::IndexDef::Part& part) { return part.prefix; };
  return a.unique == b.unique && parts_of(before, a) == parts_of(after, b) &&
         std::ranges::equal(a.parts, b.parts, {}, prefix, prefix);
}

// A renamed column stands under its new name in its indexes, which nobody touched.
bool only_renamed(const change::TableDef& before, const change::IndexDef& a, const change::TableDef& after,
                  const change::IndexDef& b) {
  return a.unique == b.unique &&
         std::ranges::equal(a.parts, b.parts, [&](const change::IndexDef::Part& x, const change::IndexDef::Part& y) {
           return before.columns[x.column].id == after.columns[y.column].id && x.prefix == y.prefix;
         });
}

void add_indexes(const change::TableDef& before, const change::TableDef& after,
                 std::vector<change::DdlElement>& changes) {
  for (const change::IndexDef& index : before.indexes)
    if (find(after.indexes, index.name) == nullptr)
      changes.push_back({.kind = Kind::index, .name = index.name, .existed = true, .exists = false});
  for (const change::IndexDef& index : after.indexes) {
    const change::IndexDef* old = find(before.indexes, index.name);
    if (old != nullptr && (same_index(before, *old, after, index) || only_renamed(before, *old, after, index)))
      continue;
    changes.push_back(
        {.kind = Kind::index, .name = index.name, .existed = old != nullptr, .parts = parts_of(after, index)});
  }
}

}  // namespace

std::vector<change::DdlElement> ddl_changes(const schema::TableSchema& before, const schema::TableSchema& after) {
  std::vector<change::DdlElement> changes;
  add_columns(before, after, changes);
  add_indexes(before.def, after.def, changes);
  if (before.partitions != after.partitions)
    changes.push_back({.kind = Kind::partitions, .existed = !before.partitions.empty(), .parts = after.partitions});
  else if (before.partition_ids != after.partition_ids)
    changes.push_back({.kind = Kind::contents});
  if (before.constraints_hash != after.constraints_hash) changes.push_back({.kind = Kind::constraints});
  return changes;
}

}  // namespace sluice::drainer::translator
