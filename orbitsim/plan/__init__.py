"""Planning: delay models, the planning problem, the schemes and routes. Called, it is `orbitsim.api.plan`."""

from orbitsim.callable_package import make_callable

make_callable(__name__)
