#include "drainer/sinks/mysql/ddl_classifier.h"

#include <algorithm>
#include <array>

#include "drainer/sinks/mysql/sql_tokenizer.h"

namespace sluice::drainer::sinks::mysql {

namespace {

// TiDB's ActionType.
constexpr int kDropTable = 4;
constexpr int kDropView = 24;
constexpr int kRecoverTable = 25;
constexpr int kCreateSequence = 34;
constexpr int kDropSequence = 36;
constexpr int kAlterIndexVisibility = 41;
constexpr int kFlashbackCluster = 62;
constexpr int kRecoverSchema = 63;

struct NeutralType {
  int type;
  std::string_view reason;
};

constexpr std::array kNeutralTypes = {
    NeutralType{27, "table locks"},
    NeutralType{28, "table locks"},
    NeutralType{30, "TiFlash replicas"},
    NeutralType{31, "TiFlash replicas"},
    NeutralType{39, "AUTO_ID_CACHE"},
    NeutralType{40, "AUTO_RANDOM_BASE"},
    NeutralType{kAlterIndexVisibility, "index visibility"},
    NeutralType{49, "table attributes"},
    NeutralType{50, "partition attributes"},
    NeutralType{51, "placement"},
    NeutralType{52, "placement"},
    NeutralType{53, "placement"},
    NeutralType{54, "placement"},
    NeutralType{55, "placement"},
    NeutralType{56, "placement"},
    NeutralType{57, "table cache"},
    NeutralType{58, "statistics options"},
    NeutralType{59, "table cache"},
    NeutralType{65, "TTL"},
    NeutralType{66, "TTL"},
    NeutralType{67, "TTL"},
    NeutralType{68, "resource groups"},
    NeutralType{69, "resource groups"},
    NeutralType{70, "resource groups"},
};

// The job's type speaks for the job, the text for the whole statement: an ALTER TABLE that also says one of these words
// does more than the type tells, and is run.
bool alters_more(const change::DdlChange& ddl) {
  constexpr std::array<std::string_view, 11> kWords = {"ADD",      "DROP",     "MODIFY",   "CHANGE",
                                                       "RENAME",   "TRUNCATE", "EXCHANGE", "REORGANIZE",
                                                       "COALESCE", "CONVERT",  "REMOVE"};
  const auto tokens = tokenize_sql(ddl.query);
  if (tokens.size() < 2 || tokens[0].text != "ALTER" || tokens[1].text != "TABLE") return false;
  for (size_t i = 2; i < tokens.size(); ++i) {
    if (tokens[i].kind != SqlToken::Kind::word || std::ranges::find(kWords, tokens[i].text) == kWords.end()) continue;
    const bool removes_ttl = tokens[i].text == "REMOVE" && i + 1 < tokens.size() && tokens[i + 1].text == "TTL";
    if (!removes_ttl) return true;
  }
  return false;
}

}  // namespace

DdlVerdict classify_ddl(const change::DdlChange& ddl, ServerKind server) {
  if (server == ServerKind::tidb) return {};
  if (ddl.type == kRecoverTable || ddl.type == kRecoverSchema || ddl.type == kFlashbackCluster)
    return {DdlAction::impossible, "RECOVER and FLASHBACK bring back rows that only TiDB still has"};
  if (ddl.type == kAlterIndexVisibility && server == ServerKind::mysql) return {};
  // Row images carry the numbers that a sequence gave.
  if (server == ServerKind::mysql && ddl.type >= kCreateSequence && ddl.type <= kDropSequence)
    return {DdlAction::skip_row_neutral, "sequences"};
  const auto neutral = std::ranges::find(kNeutralTypes, ddl.type, &NeutralType::type);
  if (neutral == kNeutralTypes.end() || alters_more(ddl)) return {};
  return {DdlAction::skip_row_neutral, neutral->reason};
}

bool is_multi_object_drop(const change::DdlChange& ddl) {
  if (ddl.type != kDropTable && ddl.type != kDropView && ddl.type != kDropSequence) return false;
  return std::ranges::any_of(tokenize_sql(ddl.query), [](const SqlToken& token) {
    return token.kind == SqlToken::Kind::sign && token.text == ",";
  });
}

}  // namespace sluice::drainer::sinks::mysql
