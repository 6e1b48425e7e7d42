#include "base/out_of_memory.h"

#include <gtest/gtest.h>

#include "base/logging.h"

namespace sluice {
namespace {

TEST(OutOfMemoryDeathTest, IsALineAndExitCodeOne) {
  EXPECT_EXIT(
      {
        (void)set_up_logging({});
        exit_when_out_of_memory("pump");
        volatile size_t absurd = size_t{1} << 62;
        const std::string too_much(absurd, 'x');
      },
      testing::ExitedWithCode(1), "pump is out of memory and ends");
}

}  // namespace
}  // namespace sluice
