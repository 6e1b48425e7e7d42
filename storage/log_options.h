// What the log is opened with and what it says of itself: plain values, shared by the façade and the parts behind it.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

namespace sluice::storage {

inline constexpr uint64_t kReaderBytesDefault = 40u << 20;

struct LogOptions {
  std::filesystem::path dir;  // the log's own folder below the data folder
  uint64_t cluster_id =
      0;                  // 0: take the folder's, a random one for a new folder; a folder of another cluster is refused
  uint64_t birth_id = 0;  // the log that must be here; 0: whichever is, or a new one
  uint32_t segment_bytes = 256u << 20;
  uint32_t batch_bytes_max = 4u << 20;
  uint64_t queue_bytes_max = 64u << 20;             // appended and not yet durable
  uint64_t reader_bytes_max = kReaderBytesDefault;  // read ahead, and batches kept for readers
  uint64_t ahead_bytes = 64u << 20;  // kept written with zeros ahead of the appends, over segment borders
  std::chrono::milliseconds idle_watermark_after{50};
  std::chrono::milliseconds shortage_retry_every{200};  // of descriptors, memory, space
};

struct LogStats {
  uint64_t batches = 0, writes = 0, bytes_written = 0, record_bytes = 0, watermarks = 0, segments = 0,
           recovered_bytes_read = 0;
  uint64_t preparer_stalls = 0;  // times the log thread waited for written space
  uint64_t queued_bytes = 0;     // appended and not yet durable
  uint64_t memory_bytes = 0;     // the queue, the writers' buffers, what is read ahead and kept for readers
  std::string shortage;          // of what the log lacks and waits for; empty: nothing
  std::string backend;           // "io_uring", "pwritev2", "simulated"
};

}  // namespace sluice::storage
