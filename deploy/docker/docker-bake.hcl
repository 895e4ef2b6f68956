# All images of the shop: `docker buildx bake -f deploy/docker/docker-bake.hcl`; one of them: `… order`.
#
# For a registry, with both platforms: `REGISTRY=registry.example/ TAG=0.1.0 docker buildx bake -f
# deploy/docker/docker-bake.hcl --set '*.platform=linux/amd64,linux/arm64' --push`. Builders of their own for each
# platform are much faster than emulation.

variable "REGISTRY" {
  default = ""
}

variable "TAG" {
  default = "0.1.0"
}

variable "VERSION" {
  default = "0.1.0"
}

# The commit, told by images and services: REVISION=$(git rev-parse HEAD).
variable "REVISION" {
  default = ""
}

group "default" {
  targets = ["services", "tools"]
}

group "services" {
  targets = ["identity", "inventory", "order", "payment", "notification", "gateway"]
}

group "tools" {
  targets = ["cli", "verify", "certificates", "demo"]
}

target "image" {
  context    = "."
  dockerfile = "deploy/docker/Dockerfile"
  args = {
    VERSION  = VERSION
    REVISION = REVISION
  }
}

target "identity" {
  inherits = ["image"]
  target   = "identity"
  tags     = ["${REGISTRY}bookstore/identity:${TAG}"]
}

target "inventory" {
  inherits = ["image"]
  target   = "inventory"
  tags     = ["${REGISTRY}bookstore/inventory:${TAG}"]
}

target "order" {
  inherits = ["image"]
  target   = "order"
  tags     = ["${REGISTRY}bookstore/order:${TAG}"]
}

target "payment" {
  inherits = ["image"]
  target   = "payment"
  tags     = ["${REGISTRY}bookstore/payment:${TAG}"]
}

target "notification" {
  inherits = ["image"]
  target   = "notification"
  tags     = ["${REGISTRY}bookstore/notification:${TAG}"]
}

target "gateway" {
  inherits = ["image"]
  target   = "gateway"
  tags     = ["${REGISTRY}bookstore/gateway:${TAG}"]
}

target "cli" {
  inherits = ["image"]
  target   = "cli"
  tags     = ["${REGISTRY}bookstore/cli:${TAG}"]
}

target "verify" {
  inherits = ["image"]
  target   = "verify"
  tags     = ["${REGISTRY}bookstore/verify:${TAG}"]
}

target "certificates" {
  inherits = ["image"]
  target   = "certificates"
  tags     = ["${REGISTRY}bookstore/certificates:${TAG}"]
}

target "demo" {
  inherits = ["image"]
  target   = "demo"
  tags     = ["${REGISTRY}bookstore/demo:${TAG}"]
}
