// Decides of an interrupted DDL whether it took effect, by the very things that it changes: what others did to the
// table meanwhile, rows or a comment, proves nothing.
// Pure: the caller reads the objects.
// Format:   docs/formats/mysql-progress.md has the table of proofs.
#pragma once

#include <optional>

#include "drainer/sinks/mysql/object_fingerprint.h"

namespace sluice::drainer::sinks::mysql {

enum class DdlProof {
  done,
  not_run,  // or running it again comes to the same
  unclear,  // a human must look
};

// `before`: as the objects were when the intent was written; nothing when it isn't known.
[[nodiscard]] DdlProof prove_ddl(const change::DdlChange& ddl, const std::optional<Fingerprint>& before,
                                 const ObjectStates& now);

}  // namespace sluice::drainer::sinks::mysql
