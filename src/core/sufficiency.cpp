#include <modalconflict/core/monotonicity.hpp>

#include "balance_methods.hpp"
#include "checks.hpp"

#include <Eigen/Dense>

#include <algorithm>
#include <cmath>

namespace modalconflict {
namespace {

constexpr double kSeparated = -1e-6;  // log likelihood that only a perfect prediction reaches

struct Regression {
    Eigen::VectorXd coefficients, fitted;
    Eigen::MatrixXd inverse_information;
    double log_likelihood = 0.0;
};

/// Logistic regression by Newton's method with halved steps. @throws InvalidArgument when it does not settle.
Regression regress(const Eigen::MatrixXd& design, const Eigen::VectorXd& y) {
    const auto likelihood = [&](const Eigen::VectorXd& eta) {
        double sum = 0.0;
        for (Eigen::Index i = 0; i < eta.size(); ++i) {
            sum += y[i] * eta[i] - (eta[i] > 0.0 ? eta[i] + std::log1p(std::exp(-eta[i])) : std::log1p(std::exp(eta[i])));
        }
        return sum;
    };
    Regression fit;
    fit.coefficients = Eigen::VectorXd::Zero(design.cols());
    Eigen::VectorXd eta = Eigen::VectorXd::Zero(y.size());
    fit.log_likelihood = likelihood(eta);
    for (int iteration = 0; iteration < 100; ++iteration) {
        fit.fitted = (1.0 / (1.0 + (-eta.array()).exp())).matrix();
        const Eigen::VectorXd weight = (fit.fitted.array() * (1.0 - fit.fitted.array())).matrix();
        const Eigen::MatrixXd information = design.transpose() * weight.asDiagonal() * design;
        const Eigen::LDLT<Eigen::MatrixXd> solver(information);
        fit.inverse_information = solver.solve(Eigen::MatrixXd::Identity(design.cols(), design.cols()));
        const Eigen::VectorXd gradient = design.transpose() * (y - fit.fitted);
        const Eigen::VectorXd step = solver.solve(gradient);
        if (!step.allFinite()) break;
        if (gradient.dot(step) < 1e-12) {
            if (fit.log_likelihood > kSeparated) break;  // every outcome predicted with certainty
            return fit;
        }
        double share = 1.0;
        Eigen::VectorXd next = eta + design * step;
        while (likelihood(next) < fit.log_likelihood - 1e-12 && share > 1e-6) {
            share *= 0.5;
            next = eta + share * (design * step);
        }
        fit.coefficients += share * step;
        eta = next;
        fit.log_likelihood = likelihood(eta);
    }
    checks::fail("the regression on x and total does not settle: the outcomes are separated, so that no test is possible");
}

}  // namespace

SufficiencyTest sufficiency_test(std::span<const double> x, std::span<const double> y, std::span<const double> total,
                                 std::span<const std::size_t> groups) {
    checks::not_empty("x", x.size());
    checks::same_length("y", y.size(), "x", x.size());
    checks::same_length("total", total.size(), "x", x.size());
    checks::finite("x", x);
    checks::finite("total", total);
    checks::within("y", y, 0.0, 1.0);
    if (std::all_of(y.begin(), y.end(), [&](double value) { return value == y[0]; })) {
        checks::fail("y is ", y[0], " throughout: where every outcome is the same nothing can matter to it");
    }
    for (std::size_t i = 0; i < total.size(); ++i) {
        if (!(total[i] > 0.0)) checks::fail("total[", i, "] is ", total[i], ": the summed uncertainty of a case is positive");
    }
    SufficiencyTest test;
    std::vector<std::size_t> codes;
    if (groups.empty()) {
        test.clusters = x.size();
    } else {
        checks::same_length("groups", groups.size(), "x", x.size());
        codes = detail::dense_codes(groups, test.clusters);
        if (test.clusters < 2) checks::fail("groups names one group only: a clustered test needs at least two");
    }
    const auto n = static_cast<Eigen::Index>(x.size());
    constexpr Eigen::Index kBase = 4;  // 1, x, x², x³
    Eigen::MatrixXd design(n, kBase + 1);
    Eigen::VectorXd answers(n);
    double mean_log = 0.0;
    for (const double value : total) mean_log += std::log(value) / static_cast<double>(n);
    for (Eigen::Index i = 0; i < n; ++i) {
        const auto at = static_cast<std::size_t>(i);
        design.row(i) << 1.0, x[at], x[at] * x[at], x[at] * x[at] * x[at], std::log(total[at]) - mean_log;
        answers[i] = y[at];
    }
    if (design.colPivHouseholderQr().rank() <= kBase) {
        checks::fail("x and total do not vary enough together: give at least five distinct x and totals that are no function of x");
    }
    const Regression base = regress(design.leftCols(kBase), answers), full = regress(design, answers);
    std::vector<Eigen::VectorXd> scores(test.clusters, Eigen::VectorXd::Zero(kBase + 1));
    for (Eigen::Index i = 0; i < n; ++i) {
        const std::size_t unit = codes.empty() ? static_cast<std::size_t>(i) : codes[static_cast<std::size_t>(i)];
        scores[unit] += (answers[i] - full.fitted[i]) * design.row(i).transpose();
    }
    Eigen::MatrixXd middle = Eigen::MatrixXd::Zero(kBase + 1, kBase + 1);
    for (const auto& one : scores) middle += one * one.transpose();
    const double clusters = static_cast<double>(test.clusters);
    const Eigen::MatrixXd covariance =
        clusters / (clusters - 1.0) * full.inverse_information * middle * full.inverse_information;
    test.coefficient = full.coefficients[kBase];
    test.error = std::sqrt(covariance(kBase, kBase));
    test.p_value = chi_square_survival(test.coefficient * test.coefficient / covariance(kBase, kBase), 1);
    test.likelihood_ratio = std::max(0.0, 2.0 * (full.log_likelihood - base.log_likelihood));
    test.p_independent = chi_square_survival(test.likelihood_ratio, 1);
    return test;
}

}  // namespace modalconflict
