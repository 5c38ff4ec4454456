// SPDX-License-Identifier: Apache-2.0
// Whether what a group may write is still one user's alone. Where a system gives each user a group
// of the user's own, the usual umask is 002, and every folder of a home may be written to by that
// group, in which there is nobody else.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <string>
#include <vector>

namespace tessera {

struct GroupEntry {
  std::string name;
  std::vector<std::string> members;  // those that have it beside their first group
};

// The group bears the user's name, is the user's first, and lists nobody else. Never for root,
// whose group others may have been given.
bool is_own_group(uid_t user, const std::string& user_name, gid_t first_group, gid_t group,
                  const GroupEntry& entry);

// Whether nobody but this process's user could write to an open file or folder: others may not, and
// the group may not or is the user's own. An access list may let in whom the mode does not show, so
// with one, what a group may write is not the user's alone.
bool only_owner_writes(int descriptor, const struct stat& status);

}  // namespace tessera
