// A client for comparisons: bursts of a fixed number of requests, by turns to
// each of several servers, so that whatever else the machine does meets all
// of them alike.
//
//   load CONNECTIONS REQUESTS ROUNDS GOOD BAD PERCENT PORT...
//
// In each round every port gets REQUESTS requests over CONNECTIONS kept
// connections, PERCENT of them for the path BAD, the others for GOOD; each
// round begins with another port, so that none of three meets caches that its
// own last burst has warmed. Prints for each round the seconds that each port
// took, and for each port, after "port", its number, the median and the 99th
// percentile of its latencies in microseconds, and how many of its responses
// were not 2xx.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void Fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

struct Plan {
  int connections;
  int requests;
  int rounds;
  std::string good;
  std::string bad;
  int percent;
};

struct Connection {
  int fd = -1;
  std::string read;
  Clock::time_point begun;
};

class Server {
 public:
  Server(const Plan& plan, int port)
      : plan_(plan), port_(port), poll_(epoll_create1(0)) {
    connections_.resize(static_cast<size_t>(plan.connections));
    for (size_t i = 0; i < connections_.size(); ++i) {
      connections_[i].fd = Connect();
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      if (epoll_ctl(poll_, EPOLL_CTL_ADD, connections_[i].fd, &event) != 0) {
        Fail("epoll_ctl");
      }
    }
  }

  double Burst() {
    const Clock::time_point begin = Clock::now();
    sent_ = 0;
    int open = 0;
    for (Connection& connection : connections_) {
      open += Send(&connection) ? 1 : 0;
    }
    while (open > 0) {
      epoll_event events[64];
      const int count = epoll_wait(poll_, events, 64, 10000);
      if (count <= 0) {
        Fail("no answer");
      }
      for (int i = 0; i < count; ++i) {
        Connection& connection = connections_[events[i].data.u64];
        if (Receive(&connection) && !Send(&connection)) {
          --open;
        }
      }
    }
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }

  void Print() {
    std::sort(latencies_.begin(), latencies_.end());
    std::printf("port %d %.0f %.0f %d\n", port_, Percentile(50), Percentile(99),
                failures_);
  }

 private:
  int Connect() const {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port_));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) !=
            0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) {
      Fail("connect");
    }
    return fd;
  }

  // False when the burst has had its requests.
  bool Send(Connection* connection) {
    if (sent_ == plan_.requests) {
      return false;
    }
    const bool bad =
        sent_ * plan_.percent / 100 != (sent_ + 1) * plan_.percent / 100;
    ++sent_;
    const std::string request = "GET " + (bad ? plan_.bad : plan_.good) +
                                " HTTP/1.1\r\nHost: localhost\r\n\r\n";
    connection->begun = Clock::now();
    if (send(connection->fd, request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size())) {
      Fail("send");
    }
    return true;
  }

  // Whether the response is whole.
  bool Receive(Connection* connection) {
    char buffer[65536];
    const ssize_t size = recv(connection->fd, buffer, sizeof(buffer), 0);
    if (size <= 0) {
      Fail("recv");
    }
    std::string& read = connection->read;
    read.append(buffer, static_cast<size_t>(size));
    const size_t head = read.find("\r\n\r\n");
    if (head == std::string::npos) {
      return false;
    }
    constexpr char kLength[] = "\r\nContent-Length: ";
    const size_t at = read.find(kLength);
    const bool whole =
        at < head
            ? read.size() - head - 4 >=
                  std::strtoul(&read[at + sizeof(kLength) - 1], nullptr, 10)
            : read.ends_with("\r\n0\r\n\r\n");
    if (whole) {
      failures_ += read.compare(9, 1, "2") == 0 ? 0 : 1;
      read.clear();
      latencies_.push_back(std::chrono::duration<float, std::micro>(
                               Clock::now() - connection->begun)
                               .count());
    }
    return whole;
  }

  double Percentile(size_t percent) const {
    return static_cast<double>(latencies_[std::min(
        latencies_.size() * percent / 100, latencies_.size() - 1)]);
  }

  const Plan& plan_;
  int port_;
  int poll_;
  std::vector<Connection> connections_;
  std::vector<float> latencies_;
  int sent_ = 0;
  int failures_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 8) {
    std::fputs(
        "usage: load CONNECTIONS REQUESTS ROUNDS GOOD BAD PERCENT "
        "PORT...\n",
        stderr);
    return 2;
  }
  const Plan plan = {std::atoi(argv[1]),
                     std::atoi(argv[2]),
                     std::atoi(argv[3]),
                     argv[4],
                     argv[5],
                     std::atoi(argv[6])};
  std::vector<Server> servers;
  for (int i = 7; i < argc; ++i) {
    servers.emplace_back(plan, std::atoi(argv[i]));
  }
  std::vector<double> seconds(servers.size());
  for (int round = 0; round < plan.rounds; ++round) {
    for (size_t i = 0; i < servers.size(); ++i) {
      const size_t server = (static_cast<size_t>(round) + i) % servers.size();
      seconds[server] = servers[server].Burst();
    }
    for (double value : seconds) {
      std::printf("%.6f ", value);
    }
    std::printf("\n");
  }
  for (Server& server : servers) {
    server.Print();
  }
}
