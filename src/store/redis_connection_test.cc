// A Redis that answers what it likes: a socket that says a few bytes to whoever comes.

#include "store/redis_connection.h"

#include <string>
#include <thread>
#include <utility>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace canopy::store {
namespace {

// What comes of a command that is answered like that, by one who then says no more.
Result<RedisReply> answered(std::string answer) {
  const Descriptor listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(listening.get(), any, size), 0);
  EXPECT_EQ(::listen(listening.get(), 1), 0);
  EXPECT_EQ(::getsockname(listening.get(), any, &size), 0);
  const std::jthread server([&listening, answer = std::move(answer)] {
    const Descriptor peer(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
    std::string asked(64, '\0');
    if (::recv(peer.get(), asked.data(), asked.size(), 0) <= 0) return;
    ::send(peer.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
    ::shutdown(peer.get(), SHUT_WR);
    while (::recv(peer.get(), asked.data(), asked.size(), 0) > 0) continue;
  });
  RedisAddress to;
  to.host = "127.0.0.1";
  to.port = ntohs(address.sin_port);
  CANOPY_TRY(const auto connection, RedisConnection::open(to, std::chrono::seconds(30)));
  return connection->run(RedisCommand{"PING"}, std::chrono::seconds(30));
}

std::string fault_of(std::string answer) {
  const auto reply = answered(std::move(answer));
  if (reply) return "";
  EXPECT_EQ(reply.error().code, Code::unavailable) << reply.error().message;
  return reply.error().message;
}

TEST(RedisConnection, TakesAReplyAsItIsMeant) {
  const auto reply = answered("*3\r\n:7\r\n$2\r\nab\r\n*-1\r\n");
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->at(0).number, 7);
  EXPECT_EQ(reply->at(1).text, "ab");
  EXPECT_EQ(reply->at(2).kind, RedisReply::Kind::nothing);
}

TEST(RedisConnection, MakesNoRoomForAListThatNobodyAskedFor) {
  for (const char* const long_list : {"*2147483647\r\n:1\r\n", "*1\r\n*2147483647\r\n", "*4000001\r\n"}) {
    const std::string fault = fault_of(long_list);
    EXPECT_NE(fault.find(" is no Redis"), std::string::npos) << long_list << fault;
  }
}

TEST(RedisConnection, SaysWhatIsWrongWithReplies) {
  for (const char* const odd :
       {"", "garbage\r\n", "$5\r\nab", "$-7\r\n", "*-9\r\n", ":x\r\n", "*2\r\n:1\r\n",
        "$999999999999999999999\r\n", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"}) {
    const std::string fault = fault_of(odd);
    EXPECT_NE(fault.find(" is no Redis"), std::string::npos) << odd << fault;
  }
}

}  // namespace
}  // namespace canopy::store
