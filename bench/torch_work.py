# SPDX-License-Identifier: MIT
"""The workloads of bench/ in PyTorch: for each, what a user writes and how fast it can be made.

Variants
  eager    nn.Module, autograd and torch.optim, as a user writes it
  manual   no autograd: the gradient in closed form, into buffers that were made once, and torch's
           own fused optimiser
  compile  eager, with torch.compile of forward and loss

`build(name, variant)` gives a function that does one step. Data are random, of the distributions
that bench/workloads.c draws; 16 batches take turns (2 where they are large).
"""
import torch
import torch.nn.functional as F
from torch import nn

STUDENT = (784, 800, 800, 10)
TEACHER = (784, 1200, 1200, 10)
TINY = (784, 30, 30, 10)
SPEECH = (1040,) + (2560,) * 8 + (14000,)
RATE, MOMENTUM, MAX_NORM = 0.01, 0.9, 3.0
VARIANTS = ("eager", "manual", "compile")


def network(sizes, drop_in=0.0, drop_hidden=0.0):
    """Dense layers with rectifiers between; dropout before each of them where a rate is given."""
    parts = [nn.Dropout(drop_in)] if drop_in else []
    for i, (wide, narrow) in enumerate(zip(sizes, sizes[1:])):
        parts.append(nn.Linear(wide, narrow))
        if i + 2 < len(sizes):
            parts.append(nn.ReLU())
            if drop_hidden:
                parts.append(nn.Dropout(drop_hidden))
    return nn.Sequential(*parts)


def soft_loss(z, v, t):
    return F.kl_div(F.log_softmax(z / t, 1), F.softmax(v / t, 1), reduction="batchmean") * (t * t)


class Cycle:
    """Batches that take turns, so that no input is still in the first cache."""

    def __init__(self, count, make):
        self.batches = [make() for _ in range(count)]
        self.at = 0

    def next(self):
        batch = self.batches[self.at]
        self.at = (self.at + 1) % len(self.batches)
        return batch


class Chain:
    """A dense net without autograd. Nothing is allocated after the constructor."""

    def __init__(self, sizes, n, training=True):
        dense = [m for m in network(sizes) if isinstance(m, nn.Linear)]
        self.w = [m.weight.detach().clone() for m in dense]
        self.b = [m.bias.detach().clone() for m in dense]
        self.y = [torch.empty(n, s) for s in sizes[1:]]
        if training:
            self.dw = [torch.empty_like(w) for w in self.w]
            self.db = [torch.empty_like(b) for b in self.b]
            self.m = [torch.zeros_like(p) for p in self.w + self.b]
            self.dy = [torch.empty(n, s) for s in sizes[1:-1]]
            self.label_cost = torch.full((n, 1), -1.0)

    def forward(self, x):
        last = len(self.w) - 1
        for i, (w, b, y) in enumerate(zip(self.w, self.b, self.y)):
            torch.addmm(b, x, w.t(), out=y)
            x = y.relu_() if i < last else y
        return x

    def hard_gradient(self, z, labels, weight):
        g = torch.softmax(z, 1)
        g.scatter_add_(1, labels.unsqueeze(1), self.label_cost)
        return g.mul_(weight / len(z))

    def gradient(self, z, v, labels, t, soft, hard):
        """Of soft * T^2 KL + hard * cross-entropy, batch mean."""
        g = torch.softmax(z / t, 1).sub_(torch.softmax(v / t, 1)).mul_(soft * t / len(z))
        if hard:
            g.add_(self.hard_gradient(z, labels, hard))
        return g

    def backward(self, inputs, g, scale=None):
        """`inputs` are those of each layer. `scale` is what dropout multiplied kept elements by:
        an element that is not positive was either dropped or rectified, so no mask is needed."""
        for i in reversed(range(len(self.w))):
            torch.mm(g.t(), inputs[i], out=self.dw[i])
            torch.sum(g, 0, out=self.db[i])
            if i:
                d = torch.mm(g, self.w[i], out=self.dy[i - 1])
                if scale:
                    d.mul_(scale)
                g = torch.ops.aten.threshold_backward.grad_input(d, inputs[i], 0.0, grad_input=d)

    def update(self):
        torch._fused_sgd_(self.w + self.b, self.dw + self.db, self.m, weight_decay=0.0,
                          momentum=MOMENTUM, lr=RATE, dampening=0.0, nesterov=False, maximize=False,
                          is_first_step=False)


class Distill:
    """A training step: W1 with the teacher run live, W2, W3 and W5 with its logits at hand."""

    def __init__(self, sizes, n, t, soft, hard, teacher=None):
        self.sizes, self.n, self.teacher = sizes, n, teacher
        self.t, self.soft, self.hard = t, soft, hard
        self.count = 16 if n * sizes[-1] < 10**6 else 2

    def batch(self):
        k = self.sizes[-1]
        return (torch.rand(self.n, self.sizes[0]), torch.randint(k, (self.n,)),
                torch.randn(self.n, k) * 5)

    def build(self, variant):
        data = Cycle(self.count, self.batch)
        if variant == "manual":
            return self.manual(data)
        student = network(self.sizes)
        teacher = network(self.teacher).eval() if self.teacher else None
        optimizer = torch.optim.SGD(student.parameters(), lr=RATE, momentum=MOMENTUM)

        def objective(x, labels, v):
            z = student(x)
            loss = self.soft * soft_loss(z, v, self.t)
            return loss + self.hard * F.cross_entropy(z, labels) if self.hard else loss

        if variant == "compile":
            objective = torch.compile(objective)
            teacher = torch.compile(teacher) if teacher else None

        def step():
            x, labels, v = data.next()
            if teacher:
                with torch.no_grad():
                    v = teacher(x)
            optimizer.zero_grad(set_to_none=True)
            objective(x, labels, v).backward()
            optimizer.step()
        return step

    def manual(self, data):
        student = Chain(self.sizes, self.n)
        teacher = Chain(self.teacher, self.n, training=False) if self.teacher else None

        @torch.inference_mode()
        def step():
            x, labels, v = data.next()
            if teacher:
                v = teacher.forward(x)
            z = student.forward(x)
            g = student.gradient(z, v, labels, self.t, self.soft, self.hard)
            student.backward([x] + student.y, g)
            student.update()
        return step


class Dropout:
    """W8: plain training with dropout and a limit on each hidden unit's incoming weights."""

    def __init__(self, sizes, n, drop_in, drop_hidden):
        self.sizes, self.n, self.drop_in, self.drop_hidden = sizes, n, drop_in, drop_hidden

    def build(self, variant):
        data = Cycle(16, lambda: (torch.rand(self.n, self.sizes[0]),
                                  torch.randint(self.sizes[-1], (self.n,))))
        if variant == "manual":
            return self.manual(data)
        net = network(self.sizes, self.drop_in, self.drop_hidden).train()
        hidden = [m.weight for m in net if isinstance(m, nn.Linear)][:-1]
        optimizer = torch.optim.SGD(net.parameters(), lr=RATE, momentum=MOMENTUM)

        def objective(x, labels):
            return F.cross_entropy(net(x), labels)

        if variant == "compile":
            objective = torch.compile(objective)

        def step():
            optimizer.zero_grad(set_to_none=True)
            objective(*data.next()).backward()
            optimizer.step()
            with torch.no_grad():
                for w in hidden:
                    w.renorm_(2, 0, MAX_NORM)
        return step

    def manual(self, data):
        net = Chain(self.sizes, self.n)
        rates = [self.drop_in] + [self.drop_hidden] * (len(net.w) - 1)
        masks = [torch.empty(self.n, s) for s in self.sizes[:-1]]
        first = torch.empty(self.n, self.sizes[0])

        def drop(i, x, out):
            torch.mul(x, masks[i].bernoulli_(1 - rates[i]), out=out)
            return out.mul_(1 / (1 - rates[i]))

        @torch.inference_mode()
        def step():
            x, labels = data.next()
            h = drop(0, x, first)
            for i, (w, b, y) in enumerate(zip(net.w, net.b, net.y)):
                torch.addmm(b, h, w.t(), out=y)
                h = drop(i + 1, y.relu_(), y) if i + 1 < len(net.w) else y
            g = net.hard_gradient(h, labels, 1.0)
            net.backward([first] + net.y, g, 1 / (1 - self.drop_hidden))
            net.update()
            for w in net.w[:-1]:
                length = torch.linalg.vector_norm(w, dim=1, keepdim=True)
                w.mul_((MAX_NORM / length).clamp_(max=1.0))
        return step


class Loss:
    """W4: one soft term at T, value and gradient with respect to the student's logits."""

    def __init__(self, n, k, t):
        self.n, self.k, self.t = n, k, t

    def build(self, variant):
        t = self.t
        data = Cycle(2, lambda: (torch.randn(self.n, self.k) * 3, torch.randn(self.n, self.k) * 3))
        if variant == "manual":
            out = torch.empty(self.n, self.k)

            @torch.inference_mode()
            def step():
                z, v = data.next()
                log_q = torch.log_softmax(z / t, 1)
                p = torch.softmax(v / t, 1)
                # The targets' own entropy is left out: it takes no part in training.
                value = torch.dot(p.view(-1), log_q.view(-1)) * (-t * t / self.n)
                torch.sub(log_q.exp_(), p, out=out).mul_(t / self.n)
                return value
            return step
        loss = torch.compile(soft_loss) if variant == "compile" else soft_loss
        for z, _ in data.batches:
            z.requires_grad_()

        def step():
            z, v = data.next()
            z.grad = None
            loss(z, v, t).backward()
        return step


class Infer:
    """W6: logits of a batch."""

    def __init__(self, sizes, n):
        self.sizes, self.n = sizes, n

    def build(self, variant):
        data = Cycle(16, lambda: torch.rand(self.n, self.sizes[0]))
        if variant == "manual":
            net = Chain(self.sizes, self.n, training=False).forward
        else:
            net = network(self.sizes).eval()
            if variant == "compile":
                net = torch.compile(net)

        @torch.inference_mode()
        def step():
            return net(data.next())
        return step


class Ensemble:
    """W7: the mean of ten members' tempered softmax, arithmetic or geometric."""

    def __init__(self, members, n, k, t, geometric):
        self.members, self.n, self.k, self.t, self.geometric = members, n, k, t, geometric

    def build(self, variant):
        logits = [torch.randn(self.n, self.k) * 3 for _ in range(self.members)]
        if variant == "manual":
            mean = self.manual()
        elif self.geometric:
            def mean(logits):
                return F.softmax(torch.stack(logits).mean(0) / self.t, 1)
        else:
            def mean(logits):
                return torch.stack([F.softmax(v / self.t, 1) for v in logits]).mean(0)
        if variant == "compile":
            mean = torch.compile(mean)

        @torch.inference_mode()
        def step():
            return mean(logits)
        return step

    def manual(self):
        total, one = torch.empty(self.n, self.k), torch.empty(self.n, self.k)

        def geometric(logits):
            torch.add(logits[0], logits[1], out=total)
            for v in logits[2:]:
                total.add_(v)
            return torch.softmax(total.mul_(1 / (self.members * self.t)), 1, out=one)

        def arithmetic(logits):
            total.zero_()
            for v in logits:
                torch.mul(v, 1 / self.t, out=one)
                total.add_(torch.softmax(one, 1), alpha=1 / self.members)
            return total
        return geometric if self.geometric else arithmetic


WORKLOADS = {
    "W1": Distill(STUDENT, 128, 20.0, 0.9, 0.1, TEACHER),
    "W2": Distill(STUDENT, 128, 20.0, 0.9, 0.1),
    "W3": Distill(TINY, 32, 20.0, 0.9, 0.1),
    "W3b1": Distill(TINY, 1, 20.0, 0.9, 0.1),
    "W4a": Loss(256, 14000, 2.0),
    "W4b": Loss(64, 128000, 2.0),
    "W5": Distill(SPEECH, 256, 2.0, 0.9, 0.1),
    "W6b1": Infer(STUDENT, 1),
    "W6b32": Infer(STUDENT, 32),
    "W7a": Ensemble(10, 256, 14000, 2.0, False),
    "W7g": Ensemble(10, 256, 14000, 2.0, True),
    "W8": Dropout(TEACHER, 128, 0.2, 0.5),
}


def build(name, variant):
    return WORKLOADS[name].build(variant)
