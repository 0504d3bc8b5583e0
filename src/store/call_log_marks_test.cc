#include "store/call_log_marks.h"

#include <fstream>

#include <gtest/gtest.h>

#include "store/sample.h"

namespace canopy::store {
namespace {

TEST(CallMarks, WhatWasMarkedIsThereTheNextTime) {
  const TempFolder folder = quick_folder();
  const auto file = folder.path() / "marks";
  {
    const auto marks = *CallMarks::open(file, 4);
    EXPECT_TRUE(marks->left().empty());
    marks->begin();
    marks->put({.number = 7, .attempt = 2, .started = WallTime(Duration(9))});
    const auto gone = marks->put({.number = 8, .attempt = 1, .started = {}});
    marks->erase(gone);
    marks->set_batch(33);
  }
  const auto marks = *CallMarks::open(file, 4);
  ASSERT_EQ(marks->left().size(), 1U);
  EXPECT_EQ(marks->left()[0].number, 7U);
  EXPECT_EQ(marks->left()[0].attempt, 2U);
  EXPECT_EQ(marks->left()[0].started, WallTime(Duration(9)));
  EXPECT_EQ(marks->left_batch(), 33U);
  marks->begin();
  EXPECT_TRUE(marks->left().empty());
}

TEST(CallMarks, FullIsSaidAndHarmless) {
  const TempFolder folder = quick_folder();
  const auto marks = *CallMarks::open(folder.path() / "marks", 1);
  marks->begin();
  EXPECT_EQ(marks->put({.number = 1, .attempt = 1, .started = {}}), 0U);
  EXPECT_EQ(marks->put({.number = 2, .attempt = 1, .started = {}}), 1U);
  marks->erase(1);
}

TEST(CallMarks, AFlippedMarkIsNone) {
  const TempFolder folder = quick_folder();
  const auto file = folder.path() / "marks";
  {
    const auto marks = *CallMarks::open(file, 4);
    marks->begin();
    marks->put({.number = 7, .attempt = 2, .started = {}});
    marks->set_batch(33);
  }
  std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
  for (const int place : {8, 64}) {  // The header's batch, the first mark's number.
    bytes.seekp(place);
    bytes.put('\x55');
  }
  bytes.close();
  const auto marks = *CallMarks::open(file, 4);
  EXPECT_TRUE(marks->left().empty());
  EXPECT_EQ(marks->left_batch(), 0U);
}

TEST(CallMarks, ALargerOrSmallerFileIsReadWhole) {
  const TempFolder folder = quick_folder();
  const auto file = folder.path() / "marks";
  {
    const auto marks = *CallMarks::open(file, 8);
    marks->begin();
    for (std::uint64_t i = 1; i <= 8; ++i) marks->put({.number = i, .attempt = 1, .started = {}});
  }
  EXPECT_EQ((*CallMarks::open(file, 2))->left().size(), 8U);
  EXPECT_EQ((*CallMarks::open(file, 100))->left().size(), 8U);
}

TEST(CallMarks, ALinkIsRefused) {
  const TempFolder folder = quick_folder();
  std::filesystem::create_symlink(folder.path() / "elsewhere", folder.path() / "marks");
  const auto marks = CallMarks::open(folder.path() / "marks", 1);
  ASSERT_FALSE(marks);
  EXPECT_EQ(marks.error().code, Code::unavailable);
}

}  // namespace
}  // namespace canopy::store
