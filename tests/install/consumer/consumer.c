#include <stdio.h>
#include <string.h>

#include <wasi_netd/client.h>

int main(void) {
  wasi_netd_tenant* tenant = NULL;
  if (wasi_netd_tenant_open("/run/wasi-netd/tenants/nobody.sock", &tenant) != WASI_NETD_ERRNO_success) return 1;
  wasi_netd_tenant_release(tenant);
  return printf("%s %s\n", wasi_netd_version(), wasi_netd_errno_name(WASI_NETD_ERRNO_notcapable)) < 0;
}
