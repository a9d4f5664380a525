"""EMA-merge: full fine-tuning whose weights are averaged after every task; the average is deployed and trained on.

m_t = w theta_t + (1 - w) m_{t-1},  m_0 = theta_0,  theta_{t+1} starts from m_t;  w = 0.5 (FoMo-in-Flux, official code:
interpolation with equal weights). With w = 1 it is full fine-tuning."""

from flopwise.methods.continual import Method
from flopwise.methods.continual.full_ft import prepare
from flopwise.methods.merging import merge


def average(trained: dict, deployed: dict, initial: dict, *, weight: float) -> dict:
    return merge("interpolation", [trained, deployed], initial, coefficients=[weight, 1 - weight])


METHOD = Method(prepare, merge=average, train_from="deployed", merge_options={"weight": 0.5})
