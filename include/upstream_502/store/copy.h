// Takes the statistics out of shared memory as plain values.

#ifndef UPSTREAM_502_STORE_COPY_H_
#define UPSTREAM_502_STORE_COPY_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "upstream_502/store/snapshot.h"
#include "upstream_502/store/store.h"
#include "upstream_502/words/region.h"

namespace upstream_502 {

// Fills zone (but name and size), totals, upstreams with their peers, events,
// incidents and the server's start_time, load_time, generation and time;
// history by the hour only with `hours`. Counters that others add to meanwhile
// may be ahead of each other by what came in between.
void Copy(const Store& store, int64_t now_ms, Snapshot* snapshot,
          bool hours = false);

// The same in steps, so that a large zone never holds the worker. `snapshot`
// must outlive it.
//
//   Copier copier(store, now_ms, &snapshot);
//   while (copier.Next(500)) { … or go on later … }
class Copier {
 public:
  Copier(const Store& store, int64_t now_ms, Snapshot* snapshot,
         bool hours = false);

  // Copies about `work` rows and events more, at least one. False when the
  // snapshot is whole; not to be called again then.
  bool Next(size_t work);

 private:
  // Rows of peers by upstream row, as lists within one list.
  struct Chains {
    List<uint32_t> head;
    List<uint32_t> next;

    Chains(size_t heads, size_t rows);
    void Add(uint32_t chain, uint32_t row);
    bool Has(uint32_t row) const;
  };

  // How many moves of counts have begun and ended.
  struct Moved {
    uint32_t begun = 0;
    uint32_t ended = 0;
    bool operator==(const Moved&) const = default;
  };

  // The steps, in their order. Each goes on where it ended; false when it has
  // not come to its end.
  bool FindUpstreams();
  bool FindGone();
  bool FindPeers();
  bool FindRetired();
  bool CopyRows();
  bool AddUp();
  bool FindEvents();
  bool CopyEvents();
  bool CopyIncidents();

  // All rows of one name are taken together, and those that went with
  // "(other)".
  void OpenRow();
  void BeginRow();
  void ReadRow();
  void SortPeers();
  void TakePeersOf(uint32_t row);
  bool IsOfOpen(const PeerRow& peer) const;
  void AddPeer();
  void AddRetired();
  void CloseRow();
  Moved MovesTo(uint32_t row) const;
  Moved MovesToOpen() const;
  // Begins anew where upstreams went meanwhile.
  bool StartOver();
  void FillZone();
  // Takes so much off what is left of this turn's work.
  void Spend(size_t work);
  // Whether there are more of `count`, each of which is worth little; takes
  // the next few as [from, next_).
  bool NextFew(size_t count, size_t* from);

  Arena arena_;
  int64_t now_ms_;
  Snapshot* snapshot_;
  bool hours_;
  size_t left_ = 0;
  size_t step_ = 0;
  size_t next_ = 0;           // of this step
  List<uint32_t> upstreams_;  // a heap by name
  List<uint32_t> gone_;       // retired ones
  List<bool> named_;          // whether an index named the row
  Chains published_;
  Chains retired_;
  UpstreamStats* open_ = nullptr;  // that peers are being added to
  List<uint32_t> rows_;            // its rows, sorted from the second on
  size_t read_ = 0;                // so many of them are read
  List<uint32_t> peers_;           // its, that are left, a heap by name
  List<uint32_t> others_;          // those that count as "(other)", as well
  PeerStats other_;
  // Counts that are moved while they are read would be there twice or not at
  // all: what was read is read again then.
  Moved moves_;      // to the open row when it was read,
  Moved all_moves_;  // and to "(other)" when all began
  int tries_ = 0;
  int all_tries_ = 0;
  List<std::pair<uint64_t, const EventSlot*>> events_;  // a heap by id
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_STORE_COPY_H_
