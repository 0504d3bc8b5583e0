#pragma once
// For tests: two links joined in memory. Nothing moves before pump(), so a test can look at what is on its
// way, and cut the connection there.
//
// Threads: one.
// Life:    the ends may be destroyed in any order, and before the pair.

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "net/frame_channel.h"

namespace canopy::net {

class FramePair {
 public:
  FramePair() : left_(std::make_shared<End>()), right_(std::make_shared<End>()) {}

  // Each once.
  std::unique_ptr<FrameLink> left() { return std::make_unique<Link>(left_); }
  std::unique_ptr<FrameLink> right() { return std::make_unique<Link>(right_); }

  // Moves what was sent, and the news of an end; false where there was nothing.
  bool pump() {
    const bool moved = carry(*left_, *right_);
    return carry(*right_, *left_) || moved;
  }
  // What is on its way never comes, and both hear of the end.
  void cut() {
    for (const auto& [end, other] : {std::pair(left_, right_), std::pair(right_, left_)}) {
      end->out.clear();
      end->closed = true;
    }
    pump();
  }

 private:
  struct End {
    FrameListener* listener = nullptr;
    std::deque<std::string> out;
    std::uint64_t sent = 0;
    std::uint64_t unsent = 0;
    bool closed = false;  // Nothing comes from here any more,
    bool told = false;    // and the other side has been told.
  };

  class Link final : public FrameLink {
   public:
    explicit Link(std::shared_ptr<End> end) : end_(std::move(end)) {}
    ~Link() override {
      end_->listener = nullptr;
      end_->closed = true;
    }
    void listen(FrameListener& listener) override { end_->listener = &listener; }
    std::uint64_t send(const wire::FrameHead& head, std::string_view body) override {
      const std::uint64_t place = end_->sent + end_->unsent;
      std::string bytes;
      wire::append_frame(head, body, bytes);
      end_->unsent += bytes.size();
      end_->out.push_back(std::move(bytes));
      return place;
    }
    std::uint64_t sent_bytes() const override { return end_->sent; }
    std::uint64_t unsent_bytes() const override { return end_->unsent; }
    void close() override { end_->closed = true; }
    Result<LinkMaker> release() override {
      end_->listener = nullptr;
      const auto end = std::exchange(end_, std::make_shared<End>());
      return [end](asio::io_context&) { return std::make_unique<Link>(end); };
    }

   private:
    std::shared_ptr<End> end_;
  };

  static bool carry(End& from, End& to) {
    bool moved = false;
    while (!from.out.empty() && to.listener != nullptr) {
      const std::string bytes = std::move(from.out.front());
      from.out.pop_front();
      from.sent += bytes.size();
      from.unsent -= bytes.size();
      std::string_view rest = bytes;
      const auto frame = wire::take_frame(rest);
      to.listener->on_frame(**frame);
      moved = true;
    }
    if (from.closed && from.out.empty() && !std::exchange(from.told, true)) {
      to.closed = true;
      if (FrameListener* const told = std::exchange(to.listener, nullptr)) told->on_closed("the end");
      moved = true;
    }
    return moved;
  }

  const std::shared_ptr<End> left_;
  const std::shared_ptr<End> right_;
};

}  // namespace canopy::net
