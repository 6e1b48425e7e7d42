#include "drainer/merge/merge_inbox.h"

#include <utility>

namespace sluice::drainer::merge {

void MergeInbox::push(size_t source, PulledTransaction transaction) {
  std::unique_lock lock(mutex_);
  news_[source].resolved.reset();  // the transaction says more; the source has checked that it lies above
  news_[source].announced.reset();
  news_[source].transactions.push_back(std::move(transaction));
  signal(std::move(lock));
}

void MergeInbox::resolve(size_t source, ResolvedTs ts) {
  std::unique_lock lock(mutex_);
  news_[source].resolved = ts;
  signal(std::move(lock));
}

void MergeInbox::announce(size_t source, CommitTs ts) {
  std::unique_lock lock(mutex_);
  news_[source].announced = ts;
  signal(std::move(lock));
}

void MergeInbox::end(size_t source, CommitTs final_ts) {
  std::unique_lock lock(mutex_);
  news_[source].end = final_ts;
  signal(std::move(lock));
}

void MergeInbox::fail(size_t source, absl::Status why) {
  std::unique_lock lock(mutex_);
  news_[source].failure.Update(std::move(why));
  signal(std::move(lock));
}

void MergeInbox::wake() {
  signal(std::unique_lock(mutex_));
}

void MergeInbox::signal(std::unique_lock<std::mutex> lock) {
  const bool was_fresh = std::exchange(fresh_, true);
  lock.unlock();
  if (!was_fresh) changed_.notify_one();
}

void MergeInbox::take(std::vector<SourceNews>& into, std::chrono::steady_clock::time_point deadline) {
  std::vector<SourceNews> empty(news_.size());
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [this] { return fresh_; });
  fresh_ = false;
  into = std::exchange(news_, std::move(empty));
}

}  // namespace sluice::drainer::merge
