#include <iostream>

#include <wasi_netd/client.hpp>

int main() { std::cout << wasi_netd_version() << ' ' << wasi_netd_errno_name(WASI_NETD_ERRNO_notcapable) << '\n'; }
