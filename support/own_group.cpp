// SPDX-License-Identifier: Apache-2.0
#include "support/own_group.h"

#include <grp.h>
#include <pwd.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace tessera {
namespace {

constexpr size_t kMostEntry = size_t{1} << 20;  // bytes of a user or a group, as the system has it

// Calls with a buffer that grows until the entry fits; whether there is one.
template <class Entry, class Get>
bool find_entry(Entry& entry, std::vector<char>& buffer, const Get& get) {
  for (buffer.resize(1024); buffer.size() <= kMostEntry; buffer.resize(2 * buffer.size())) {
    Entry* found = nullptr;
    const int error = get(&entry, buffer.data(), buffer.size(), &found);
    if (error != ERANGE) return error == 0 && found != nullptr;
  }
  return false;
}

bool is_own_group(gid_t group) {
  const uid_t user = ::geteuid();
  passwd of_user;
  struct group of_group;
  std::vector<char> user_text, group_text;
  if (!find_entry(of_user, user_text, [&](auto... rest) { return ::getpwuid_r(user, rest...); }) ||
      !find_entry(of_group, group_text, [&](auto... rest) { return ::getgrgid_r(group, rest...); }))
    return false;
  GroupEntry entry{of_group.gr_name, {}};
  for (char** member = of_group.gr_mem; *member != nullptr; ++member)
    entry.members.emplace_back(*member);
  return is_own_group(user, of_user.pw_name, of_user.pw_gid, group, entry);
}

// By its name in /proc, as one that was opened for its place alone gives no attributes.
bool may_have_access_list(int descriptor) {
  const std::string path = "/proc/self/fd/" + std::to_string(descriptor);
  if (::getxattr(path.c_str(), "system.posix_acl_access", nullptr, 0) >= 0) return true;
  return errno != ENODATA && errno != ENOTSUP;
}

}  // namespace

bool is_own_group(uid_t user, const std::string& user_name, gid_t first_group, gid_t group,
                  const GroupEntry& entry) {
  return user != 0 && group == first_group && entry.name == user_name &&
         std::ranges::all_of(entry.members,
                             [&](const std::string& member) { return member == user_name; });
}

bool only_owner_writes(int descriptor, const struct stat& status) {
  if (status.st_mode & S_IWOTH) return false;
  if (!(status.st_mode & S_IWGRP)) return true;
  return is_own_group(status.st_gid) && !may_have_access_list(descriptor);
}

}  // namespace tessera
