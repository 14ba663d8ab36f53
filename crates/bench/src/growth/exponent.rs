//! The power law that measurements follow.

/// Fits cost = constant × sizeᵉ by least squares of the logarithms, and returns e; nothing for fewer than two sizes.
pub fn exponent(points: &[(f64, f64)]) -> Option<f64> {
    let points: Vec<(f64, f64)> = points
        .iter()
        .filter(|(size, cost)| *size > 0.0 && *cost > 0.0)
        .map(|(size, cost)| (size.ln(), cost.ln()))
        .collect();
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let shared: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    (points.len() >= 2 && spread > 0.0).then(|| shared / spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cost: fn(f64) -> f64) -> f64 {
        let sizes = [10.0, 100.0, 1000.0];
        exponent(&sizes.map(|size| (size, cost(size)))).unwrap()
    }

    #[test]
    fn powers_are_found() {
        assert!(of(|_| 7.0).abs() < 1e-9);
        assert!((of(|size| 3.0 * size) - 1.0).abs() < 1e-9);
        assert!((of(|size| size * size / 5.0) - 2.0).abs() < 1e-9);
        assert!((1.05..1.3).contains(&of(|size| size * size.ln())));
    }

    #[test]
    fn one_size_says_nothing() {
        assert_eq!(exponent(&[]), None);
        assert_eq!(exponent(&[(10.0, 1.0)]), None);
        assert_eq!(exponent(&[(10.0, 1.0), (10.0, 2.0)]), None);
        assert_eq!(exponent(&[(0.0, 1.0), (10.0, 2.0)]), None);
    }
}
