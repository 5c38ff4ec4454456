// SPDX-License-Identifier: Apache-2.0
// Files that are being written and are to have another name once they are whole. None stays:
//
// - its owner removes it unless it was renamed;
// - a signal that ends the process removes all of them, in programs that ask for it;
// - those of a process that had no chance (SIGKILL, a crash, a host that went down) are removed by
//   the next writer in that folder. A live owner holds a lock on its file (flock), which the system
//   lets go of with the process, so neither a process id nor a clock has to be believed.
//
// Names are taken relative to an open folder, and are short whatever the final name is.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "support/descriptor.h"

namespace tessera {

// While this lives, a signal removes `name` in the folder, whose descriptor must outlive it.
// Where too many are alive, or the name is too long, the file is left to the next writer.
class RemovedBySignal {
 public:
  enum class Kind : uint8_t { File, Folder };
  RemovedBySignal(int folder, std::string_view name, Kind kind = Kind::File);
  RemovedBySignal(RemovedBySignal&& other) noexcept : slot_(std::exchange(other.slot_, -1)) {}
  RemovedBySignal& operator=(RemovedBySignal&&) = delete;
  ~RemovedBySignal();

 private:
  int slot_;
};

class Temporary {
 public:
  // A new empty file in the folder, whose descriptor must outlive it. Nothing, and errno, if it
  // cannot be made. Files that dead processes left in that folder go first.
  static std::optional<Temporary> create(int folder, mode_t mode);
  Temporary(Temporary&& other) noexcept = default;
  Temporary& operator=(Temporary&&) = delete;
  ~Temporary();

  int descriptor() const { return file_.get(); }
  // Gives it its name, over what has it, and closes it. False, and errno: it is still temporary.
  bool rename_to(const std::string& name);

 private:
  Temporary(int folder, std::string name, Descriptor file, RemovedBySignal removed)
      : folder_(folder),
        name_(std::move(name)),
        file_(std::move(file)),
        removed_(std::move(removed)) {}
  int folder_;
  std::string name_;  // "" once it is renamed, or moved from
  Descriptor file_;
  RemovedBySignal removed_;
};

// Removes what processes that are gone left there; looks at the first 10,000 names of a folder.
void sweep_temporaries(int folder);

// For a program's main: SIGINT, SIGTERM, SIGHUP, SIGQUIT and SIGXCPU remove what is being written,
// then end the process as they would have; one that is ignored stays so. A file that grows past its
// limit is the error of the write (SIGXFSZ is ignored). A library must leave signals to its host.
void remove_temporaries_on_signals();

}  // namespace tessera
