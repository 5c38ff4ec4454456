// SPDX-License-Identifier: Apache-2.0
// A folder that nobody but this user can change, opened once: what was checked is what is used,
// whatever happens to its path. The caches keep their files in such folders.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <string>
#include <vector>

#include "support/descriptor.h"
#include "support/expected.h"

namespace tessera {

class PrivateFolder {
 public:
  // Makes the folder, for its owner alone, and those above it, where they are missing. BadFile: it
  // is a link, another user's, or others may write to it or to a folder above it (one where only
  // owners remove, as /tmp, may be), and then nothing was made. A group of this user's own
  // (support/own_group.h) is not others. Failed: the system says no.
  static Expected<PrivateFolder> open(const std::string& path);
  // One in it.
  Expected<PrivateFolder> make(const std::string& name) const;      // where it is missing
  Expected<PrivateFolder> existing(const std::string& name) const;  // must be there

  int descriptor() const { return folder_.get(); }
  const std::string& path() const { return path_; }
  std::string path_of(const std::string& name) const { return path_ + "/" + name; }

  bool has(const std::string& name) const;
  // `name` is still `inner`, and not another that was put in its place.
  bool holds(const std::string& name, const PrivateFolder& inner) const;
  // To read. BadFile: a link, no plain file, or one that others could have written.
  Expected<Descriptor> open_file(const std::string& name) const;
  bool move(const std::string& name, const PrivateFolder& to, const std::string& as) const;
  void remove(const std::string& name) const;  // a file, or a folder with all it holds

  // The files in it, the longest unused first. Names that begin with a dot are left out.
  struct Entry {
    std::string name;
    timespec used = {};
    int64_t bytes = 0;  // of a file, or of the files in a folder
  };
  std::vector<Entry> by_age() const;

 private:
  PrivateFolder(std::string path, Descriptor folder)
      : path_(std::move(path)), folder_(std::move(folder)) {}
  std::string path_;  // for messages
  Descriptor folder_;
};

}  // namespace tessera
