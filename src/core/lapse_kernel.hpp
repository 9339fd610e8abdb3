#pragma once

#include <cstddef>

namespace modalconflict::kernel {

/// Sums over observations for a lapse-logistic curve: the log likelihood, its gradient and minus its Hessian.
struct LapseSums {
    double log_likelihood;
    double gradient[4];      ///< intercept, slope, γ, λ
    double information[10];  ///< upper triangle by rows: aa ab al au bb bl bu ll lu uu
};

/// @param weight      Null: all one.
/// @param binary      Every y is 0 or 1, which saves a logarithm and a division.
/// @param likelihood  False leaves the log likelihood out (it is then 0), which saves the logarithms.
/// @param parameters  intercept, slope, γ, λ.
LapseSums lapse_sums(const double* x, const double* y, const double* weight, std::size_t n, bool binary,
                     bool likelihood, const double (&parameters)[4]);

}  // namespace modalconflict::kernel
