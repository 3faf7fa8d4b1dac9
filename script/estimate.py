"""sage -python script/estimate.py ESTIMATOR <POINTS: bits of security of points as tests/security_points.c prints them.

The attacks are those that decide for these points, the cost of lattice reduction that of MATZOV (SECURITY.md). Exits with 1
if a point is below its level less half a bit."""
import sys

sys.path.insert(0, sys.argv[1])

from estimator import LWE, ND, RC  # noqa: E402
from sage.all import log  # noqa: E402

ATTACKS = {"usvp": LWE.primal_usvp, "bdd": LWE.primal_bdd, "dual_hybrid": LWE.dual_hybrid}
TOLERANCE = 0.5

short = points = 0
print(f"{'level':>5} {'key':<4} {'dim':>4} {'log2 q':>6} {'TUniform':>8}  {'attack':<11} {'bits':>6}")
for line in sys.stdin:
    level, key, dim, logq, bound = line.split()
    point = LWE.Parameters(n=int(dim), q=2 ** int(logq), Xs=ND.Uniform(0, 1), Xe=ND.TUniform(int(bound)))
    points += 1
    for name, attack in ATTACKS.items():
        bits = float(log(attack(point, red_cost_model=RC.MATZOV)["rop"], 2))
        below = not bits >= int(level) - TOLERANCE
        short += below
        print(f"{level:>5} {key:<4} {dim:>4} {logq:>6} {bound:>8}  {name:<11} {bits:6.2f}{'  BELOW' if below else ''}", flush=True)
print(f"{points} points, {short} attacks below the level of their point less {TOLERANCE} bit")
sys.exit(1 if short or not points else 0)
